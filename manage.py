"""`ismp` for a checkout that is not installed: `python manage.py <command>`."""

from ismp.config.cli import main

if __name__ == "__main__":
    main()
