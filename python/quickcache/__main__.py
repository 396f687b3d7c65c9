"""`python -m quickcache`: what is installed here."""

import platform

from ._native import build_info


def main() -> None:
    """Print version, build features and the tiers available."""
    info = build_info()
    print(f"quickcache {info['version']}")
    print(f"python     {platform.python_implementation()} {platform.python_version()}")
    print(f"build      {info['profile']}, {info['target']}")
    print(f"features   {', '.join(info['features']) or 'none'}")
    print(f"tiers      {', '.join(info['tiers'])}")


if __name__ == "__main__":
    main()
