"""The images that ``$[image,routine,...]`` may name. Recognised by base name and never loaded from disk.

A new image is one module with a table of routines and one line in `IMAGES`.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath

from .check_metermaid import ROUTINES as METERMAID
from .check_metermaid import Routine
from .grosscheck import IMAGE as GROSSCHECK_IMAGE
from .grosscheck import ROUTINES as GROSSCHECK

# Base name of an image -> its routines by name.
Images = Mapping[str, Mapping[str, Routine]]

IMAGES: Images = {
    "check_metermaid.so": METERMAID,
    GROSSCHECK_IMAGE: GROSSCHECK,
}


def base_name(image: str) -> str:
    """``IMTA_LIB:check_metermaid.so`` and ``/opt/sun/lib/check_metermaid.so`` are the same image."""
    return PurePosixPath(image.rpartition(":")[2]).name.lower()


def find_routine(images: Images, image: str, routine: str) -> Routine | None:
    return images.get(base_name(image), {}).get(routine.lower())
