"""Menu entries of Nautilus and Caja: copy or move to another qube, open in a disposable or another qube.

Only shows entries and starts a program: all else, dialogs too, is the business of qvm-actions.sh. Caja has the extension
interface of Nautilus under a name of its own; which of the two this is, the name of the installed file says:
qfile_nautilus.py or qfile_caja.py.
"""

import importlib
import os
import subprocess

from gi.repository import GObject

FOLDER, FILE = os.path.split(__file__)
MANAGER = FILE.removeprefix("qfile_").removesuffix(".py")
INTERFACE = importlib.import_module("gi.repository." + MANAGER.capitalize())

PROGRAM = "/usr/lib/qubes/qvm-actions.sh"

ACTIONS = (
    ("copy", "Copy to another qube…"),
    ("move", "Move to another qube…"),
    ("opendvm", "Edit in a disposable qube"),
    ("viewdvm", "View in a disposable qube"),
    ("openvm", "Open in another qube…"),
)

# The actions that take one file after the other, and no folder.
OF_FILES = ("opendvm", "viewdvm", "openvm")


def has_entries_of_the_core_agent():
    """Its entries call the same programs, so they are qfile's too, and one set of them is enough."""
    return os.path.exists(os.path.join(FOLDER, "qvm_copy_" + MANAGER + ".py"))


class QfileMenu(GObject.GObject, INTERFACE.MenuProvider):
    """The entries for what is selected."""

    def get_file_items(self, *args):
        """Called with the selected files, after the window in some versions."""
        files = args[-1]
        paths = [file.get_location().get_path() for file in files]
        # None: not a file of this qube, like one on a server.
        if not paths or None in paths or has_entries_of_the_core_agent():
            return []
        has_folder = any(file.is_directory() for file in files)
        return [
            self.entry(action, label, paths)
            for action, label in ACTIONS
            if not (has_folder and action in OF_FILES)
        ]

    def get_background_items(self, *_args):
        """Nothing is selected, so there is nothing to offer."""
        return []

    def entry(self, action, label, paths):
        """One entry; what it starts outlives the file manager."""
        item = INTERFACE.MenuItem(name="QfileMenu::" + action, label=label)
        command = [PROGRAM, action, *paths]
        item.connect("activate", lambda _item: subprocess.Popen(command, start_new_session=True))
        return item
