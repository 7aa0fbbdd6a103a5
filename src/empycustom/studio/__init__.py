"""The live page of ``empycustom studio``: pictures of a session with their documents, its libraries, and what goes wrong.

``preview.py`` makes a picture when somebody wants one, ``status.py`` says how the libraries do, ``server.py`` serves both to
browsers, and ``program.py`` plays the session. ``static/`` is the page. Nobody but the command
line imports this, because Starlette and uvicorn are extras.
"""
