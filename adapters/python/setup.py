# SPDX-License-Identifier: Apache-2.0
"""The tag of the wheel. With the library in it (make-wheel puts it there) a wheel is for one
processor and for a glibc that is new enough, whatever the Python; without it, for all."""
import os
import re
import subprocess
import sysconfig

from setuptools import Distribution, setup
from wheel.bdist_wheel import bdist_wheel

LIBRARY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "meshtally",
                       "libmeshtally.so.1")


def platform():
    """manylinux_2_34_x86_64: the newest glibc symbol that the library needs is of 2.34."""
    processor = sysconfig.get_platform().partition("-")[2]
    needs = subprocess.run(["readelf", "--version-info", "--wide", LIBRARY], check=True,
                           stdout=subprocess.PIPE, env={**os.environ, "LC_ALL": "C"}).stdout
    versions = re.findall(rb"\bGLIBC_(\d+)\.(\d+)", needs)
    major, minor = max((int(major), int(minor)) for major, minor in versions)
    return f"manylinux_{major}_{minor}_{processor}"


class wheel_with_library(bdist_wheel):
    def get_tag(self):
        return "py3", "none", platform()


class with_library(Distribution):
    def has_ext_modules(self):
        return True


if os.path.exists(LIBRARY):
    setup(distclass=with_library, cmdclass={"bdist_wheel": wheel_with_library})
else:
    setup()
