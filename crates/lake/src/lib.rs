//! Table versions: write, append, merge, restore; snapshot to file list
