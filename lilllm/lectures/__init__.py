"""The chain that makes a lecture: one ``.py`` file becomes a notebook with outputs and a trace, from one execution.

Read in order: header     (what a lecture says of itself)
               source     (a lecture's file, its cells, what it depends on)
               build      (run it once; write notebook and trace) with normalise and schedule
               measured   (seconds and memory that the build saw)
               check      (what must hold of the built files) with outputs and twice
               nbval_figures (a pytest plugin: pictures compared as pictures)
"""
