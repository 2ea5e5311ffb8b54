"""Menu entries of Nautilus and Caja: copy or move to another qube, open in a disposable or another qube.

The extension only shows entries and starts qvm-actions.sh, which does everything else. Caja has the
extension interface of Nautilus under another name. The name of the installed file decides which file
manager the extension is for: qfile_nautilus.py or qfile_caja.py.
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

# The actions that open each file separately, and accept no folder.
OF_FILES = ("opendvm", "viewdvm", "openvm")


def has_entries_of_the_core_agent():
    """True if the entries of the C tools are installed: they start qfile, so no other is needed."""
    return os.path.exists(os.path.join(FOLDER, "qvm_copy_" + MANAGER + ".py"))


class QfileMenu(GObject.GObject, INTERFACE.MenuProvider):
    """The entries for the selected files."""

    def get_file_items(self, *args):
        """Called with the selected files. In some versions, the window precedes them."""
        files = args[-1]
        paths = [file.get_location().get_path() for file in files]
        # None: the file is not in this qube, for example a file on a server.
        if not paths or None in paths or has_entries_of_the_core_agent():
            return []
        has_folder = any(file.is_directory() for file in files)
        return [
            self.entry(action, label, paths)
            for action, label in ACTIONS
            if not (has_folder and action in OF_FILES)
        ]

    def get_background_items(self, *_args):
        """There are no entries if no file is selected."""
        return []

    def entry(self, action, label, paths):
        """One entry. The program that it starts continues after the file manager ends."""
        item = INTERFACE.MenuItem(name="QfileMenu::" + action, label=label)
        command = [PROGRAM, action, *paths]
        item.connect("activate", lambda _item: subprocess.Popen(command, start_new_session=True))
        return item
