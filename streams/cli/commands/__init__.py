"""One command a file; the file's name is the command's, and it defines `command`.

A new command is a new file here: nothing else has to know of it. Modules stay light (click and the standard library at
the top, everything else inside the function), because `spendstream --help` reads them all.
"""
