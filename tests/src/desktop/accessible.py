"""What a screen reader sees of a window: `text`, `entry`, `progress` or `press`, the window's title, for `press` a
button, and for `progress` the percentage to wait for. `entry` does not wait for a line that can be edited: without
one, nothing is in it.

Waits until the window shows it, with a bound; prints the labels, or the percentage.
"""

import sys
import time

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib  # noqa: E402

HANGS_AFTER = 100


def below(node):
    yield node
    for index in range(node.get_child_count()):
        child = node.get_child_at_index(index)
        if child is not None:
            yield from below(child)


def windows(title):
    desktop = Atspi.get_desktop(0)
    for application in (desktop.get_child_at_index(i) for i in range(desktop.get_child_count())):
        for index in range(application.get_child_count() if application else 0):
            window = application.get_child_at_index(index)
            if window is not None and window.get_name() == title:
                yield window


def look(what, title, *argument):
    for window in windows(title):
        nodes = list(below(window))
        if what == "press":
            for node in nodes:
                if node.get_role_name() in ("push button", "button") and [node.get_name()] == list(argument):
                    return "pressed" if node.do_action(0) else None
        if what == "text":
            labels = [node for node in nodes if node.get_role_name() == "label"]
            texts = [Atspi.Text.get_text(node, 0, -1) for node in labels]
            if any(texts):
                return "\n".join(texts)
        if what == "entry":
            entries = [node for node in nodes if node.get_role_name() in ("text", "entry")]
            shown = [node for node in entries if node.get_state_set().contains(Atspi.StateType.SHOWING)]
            return "\n".join(Atspi.Text.get_text(node, 0, -1) for node in shown)
        if what == "progress":
            for node in nodes:
                if node.get_role_name() in ("progress bar", "level bar"):
                    share = Atspi.Value.get_current_value(node) / (Atspi.Value.get_maximum_value(node) or 1)
                    return 100 * share if 100 * share >= float(argument[0]) else None
    return None


give_up = time.monotonic() + HANGS_AFTER
while time.monotonic() < give_up:
    try:
        seen = look(*sys.argv[1:])
    except GLib.Error:  # What was looked at has just gone.
        seen = None
    if seen is not None:
        print(seen)
        sys.exit(0)
    time.sleep(0.05)
sys.exit(f"never seen: {sys.argv[1:]}")
