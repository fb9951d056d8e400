"""Print the lowest versions that a setup.cfg allows, as constraints for pip.

lowest.py setup.cfg
"""

import configparser
import re
import sys


def constraints(path: str) -> list[str]:
    """`name==version` for each `name>=version` that an installation, or its tests, ask for."""
    config = configparser.ConfigParser()
    config.read(path)
    asked = config["options"]["install_requires"] + config["options.extras_require"]["test"]
    return [
        f"{name}=={version}"
        for name, version in re.findall(r"^([\w.-]+)>=([\w.]+)", asked, re.MULTILINE)
    ]


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in constraints(sys.argv[1]))
