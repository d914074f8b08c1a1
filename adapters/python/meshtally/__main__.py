# SPDX-License-Identifier: Apache-2.0
"""python3 -m meshtally: where the library and the command are, and whether tracking is on."""
from ._status import status
from ._version import VERSION

print(f"meshtally {VERSION}")
print(status())
