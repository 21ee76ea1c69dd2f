"""`python -m runner` is `phasehub`."""

from runner.cli import main

if __name__ == "__main__":
    main()
