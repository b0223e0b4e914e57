"""The command line `mrlf`: a module per group of commands, and the sentences that they print."""
