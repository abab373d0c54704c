"""The command line: one command a file, put together in `main`. Only this folder ends the process."""
