"""MRLF, the paper's network, branch by branch."""
