"""`python -m matscout`, for where the console script is not on the path."""

from matscout.cli.app import main

if __name__ == "__main__":
    main()
