// The player as a notebook's output: a sandboxed frame without an address, which takes no key before it is clicked.

import { embed } from './embedded.js';

await embed({});
