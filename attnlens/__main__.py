"""`python -m attnlens` is the command line."""

from .terminal._cli import main

main()
