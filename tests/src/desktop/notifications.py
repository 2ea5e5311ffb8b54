"""A desktop's notification service. It prints what it is asked to show, one line of JSON each, and
clicks on it at once."""

import json

from gi.repository import Gio, GLib

INTERFACE = """
<node><interface name="org.freedesktop.Notifications">
  <method name="GetCapabilities"><arg type="as" direction="out"/></method>
  <method name="GetServerInformation">
    <arg type="s" direction="out"/><arg type="s" direction="out"/>
    <arg type="s" direction="out"/><arg type="s" direction="out"/>
  </method>
  <method name="Notify">
    <arg type="s" direction="in"/><arg type="u" direction="in"/><arg type="s" direction="in"/>
    <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="as" direction="in"/>
    <arg type="a{sv}" direction="in"/><arg type="i" direction="in"/>
    <arg type="u" direction="out"/>
  </method>
  <method name="CloseNotification"><arg type="u" direction="in"/></method>
  <signal name="ActionInvoked"><arg type="u"/><arg type="s"/></signal>
  <signal name="NotificationClosed"><arg type="u"/><arg type="u"/></signal>
</interface></node>
"""
NAME = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"


def called(connection, sender, path, interface, method, parameters, invocation):
    if method == "GetCapabilities":
        invocation.return_value(GLib.Variant("(as)", (["actions", "body", "body-markup"],)))
    elif method == "GetServerInformation":
        invocation.return_value(GLib.Variant("(ssss)", ("test", "qfile", "1", "1.2")))
    elif method == "Notify":
        _, replaces, _, summary, body, actions, _, _ = parameters.unpack()
        invocation.return_value(GLib.Variant("(u)", (7,)))
        shown = {"replaces": replaces, "summary": summary, "body": body, "actions": actions}
        print(json.dumps(shown), flush=True)
        click = GLib.Variant("(us)", (7, "default"))
        connection.emit_signal(None, PATH, NAME, "ActionInvoked", click)
    else:
        invocation.return_value(None)
        closed = GLib.Variant("(uu)", (7, 3))
        connection.emit_signal(None, PATH, NAME, "NotificationClosed", closed)


def owned(connection, name):
    interface = Gio.DBusNodeInfo.new_for_xml(INTERFACE).interfaces[0]
    connection.register_object(PATH, interface, called, None, None)
    print("ready", flush=True)


Gio.bus_own_name(Gio.BusType.SESSION, NAME, Gio.BusNameOwnerFlags.NONE, owned, None, None)
GLib.MainLoop().run()
