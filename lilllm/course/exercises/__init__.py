"""The exercises: a folder a topic, a module an exercise, each with one ``EXERCISE`` (see `lilllm.course.exercise`)."""
