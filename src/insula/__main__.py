"""`python -m insula`: the same as the command `insula`."""

from insula.main import run

if __name__ == "__main__":
    run()
