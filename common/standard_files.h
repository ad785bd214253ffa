// Standard input, output and error of this process.
#pragma once

namespace sdlora {

// Those that our parent closed (2>&-) lead to /dev/null from now on. Else the next file that the program
// opens, a lock or a shard, got the number 2, and the log's lines with it. Before anything is opened.
void open_missing_standard_files();

}  // namespace sdlora
