//! The text of the manual pages that the definitions of the command lines do not contain.

/// A name and its meaning; for an example, a command and its purpose.
pub type Row = (&'static str, &'static str);

/// The sections of a page that are not generated from the command line.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Paragraphs at the end of the description.
    pub more: &'static [&'static str],
    /// Environment variables that the program reads.
    pub environment: &'static [Row],
    /// Files and folders that the program uses.
    pub files: &'static [Row],
    /// Command lines and their purposes.
    pub examples: &'static [Row],
    /// Other pages.
    pub see_also: &'static [&'static str],
}

const INCOMING: Row = (
    "~/QubesIncoming/QUBE/",
    "In the other qube: the folder in which files from QUBE arrive",
);
const FILECOPY: Row = (
    "/etc/qubes-rpc/qubes.Filecopy",
    "The service that the command calls in the other qube",
);
const CLIENT: Row = (
    "QREXEC_CLIENT_VM",
    "\
    The absolute path of the program to use instead of /usr/lib/qubes/qrexec-client-vm. If neither \
    exists, qrexec-ssh(8) is used",
);
const DISPLAY: Row = (
    "DISPLAY, WAYLAND_DISPLAY",
    "If one of these variables is set, zenity or kdialog shows windows",
);
const DIALOGS: Row = (
    "QFILE_DIALOGS=kdialog, XDG_CURRENT_DESKTOP=KDE",
    "Show windows with kdialog, even if zenity is installed",
);
const LIST_OF_SENT: Row = (
    "TMPDIR",
    "\
    The folder in which the list of sent files is stored until they are confirmed, instead of \
    /var/tmp",
);
const STATE: Row = (
    "XDG_STATE_HOME",
    "The folder that contains qfile/journal, the journal for --continue, instead of ~/.local/state",
);
const JOURNAL: Row = (
    "~/.local/state/qfile/journal",
    "The journal: which files the last call that stopped had to send, and which of them arrived",
);
const LOG: Row = (
    "RUST_LOG",
    "\
    The level of the log messages that are written to stderr, for example debug. If this \
    variable is not set, no log messages are written",
);

/// qvm-copy, qvm-copy-to-vm, qvm-move, qvm-move-to-vm
pub const QVM_COPY: Words = Words {
    more: &[
        COPYING,
        EXCLUDING,
        NAMES_IN_MESSAGES,
        SEVERAL_TARGETS,
        FOR_SCRIPTS,
        GOING_ON,
        GOING_ON_WITH_A_MOVE,
    ],
    environment: &[CLIENT, LIST_OF_SENT, STATE, DISPLAY, DIALOGS],
    files: &[INCOMING, FILECOPY, JOURNAL],
    examples: &[
        ("qvm-copy --continue", "Continue a copy that stopped:"),
        (
            "qvm-copy --as report-2.odt report.odt",
            "Copy a file under another name:",
        ),
        (
            "qvm-copy --exclude '*.o' --exclude target/ src",
            "Copy a folder without its object files and without the folders called target:",
        ),
        (
            "tar -c docs | qvm-copy --as docs.tar -",
            "Send the output of a program as one file:",
        ),
        (
            "qvm-copy --to backup --to archive report.odt",
            "Copy a file to two qubes, one after the other:",
        ),
        (
            "qvm-copy-to-vm --timeout 5m --quiet --json backup ~/src",
            "In a script, copy a folder, wait for at most five minutes, and get a line for each entry:",
        ),
        (
            "qvm-copy report.odt pictures/",
            "Copy a file and a folder. dom0 asks for the target qube:",
        ),
        (
            "qvm-copy --dry-run pictures/",
            "List what would be sent, and what the other qube would refuse:",
        ),
        (
            "qvm-copy -- -draft.txt",
            "Copy a file whose name starts with a dash:",
        ),
        (
            "qvm-copy-to-vm vault keys.gpg",
            "Copy a file to the qube vault:",
        ),
        (
            "qvm-copy-to-vm --without-progress --ignore-symlinks backup ~/src",
            "In a script, copy a folder without the symbolic links in it:",
        ),
        (
            "qvm-move report.odt pictures/",
            "Move a file and a folder. dom0 asks for the target qube:",
        ),
        (
            "qvm-move-to-vm vault keys.gpg",
            "Move a file to the qube vault:",
        ),
    ],
    see_also: &["qvm-open-in-vm(1)", "qfile-agent(8)", "qfile-unpacker(8)"],
};

/// qvm-copy-to-device
pub const QVM_COPY_TO_DEVICE: Words = Words {
    more: &[BARE_DEVICE, BEFORE_WRITING],
    environment: &[],
    files: &[
        (
            "/sys/dev/block",
            "The disk that contains a device, and the model of the disk",
        ),
        (
            "blkid, wipefs",
            "The programs of util-linux that find and erase partition tables and file systems",
        ),
    ],
    examples: &[
        (
            "qvm-copy-to-device /dev/sdb report.odt pictures/",
            "Write a file and a folder to a stick:",
        ),
        (
            "truncate --size=1G image && qvm-copy-to-device image pictures/",
            "Make an image file, and write a folder to it:",
        ),
    ],
    see_also: &[
        "qvm-copy-from-device(1)",
        "qvm-device-status(1)",
        "qvm-copy(1)",
        "blkid(8)",
        "wipefs(8)",
        "lsblk(8)",
    ],
};

/// qvm-copy-from-device
pub const QVM_COPY_FROM_DEVICE: Words = Words {
    more: &[BARE_DEVICE, AFTER_READING],
    files: &[(
        "~/QubesIncoming/NAME/",
        "The folder in which the files arrive. NAME is device, or the name given with --from",
    )],
    examples: &[
        (
            "qvm-copy-from-device /dev/sdb",
            "Receive the files on a stick:",
        ),
        (
            "qvm-copy-from-device --from laptop image",
            "Receive the files in an image file into ~/QubesIncoming/laptop:",
        ),
    ],
    see_also: &[
        "qvm-copy-to-device(1)",
        "qvm-device-status(1)",
        "qfile-unpacker(8)",
    ],
    ..QVM_COPY_TO_DEVICE
};

/// qvm-device-status
pub const QVM_DEVICE_STATUS: Words = Words {
    more: &[
        BARE_DEVICE,
        "Nothing is written, and the device may be in use. The name of the source and the answer are not proved: \
         anyone who had the device can have written them.",
    ],
    files: &[],
    examples: &[(
        "qvm-device-status /dev/sdb",
        "Show whether a transfer is complete, and whether it was received:",
    )],
    see_also: &["qvm-copy-to-device(1)", "qvm-copy-from-device(1)"],
    ..QVM_COPY_TO_DEVICE
};

const IN_DISPOSABLE: Row = (
    "QREXEC_SERVICE_FULL_NAME",
    "\
    Set by qrexec in a disposable that was opened for a file or a URL. The command then asks \
    before it opens another disposable",
);
const EDITED: Row = (
    "FILE.edited-in-disposable, FILE.edited-in-QUBE",
    "An edit that could not replace FILE, or that came back after FILE had changed in this qube",
);
const MEANWHILE: Row = (
    "FILE.saved-meanwhile",
    "\
    A version of FILE that another program saved while the edit replaced FILE. This \
    name is used if the version could not get its own name back",
);
const INCOMPLETE: Row = (
    "FILE.incomplete-from-disposable, FILE.incomplete-from-QUBE",
    "\
    An edit that may be incomplete, because the connection broke or because the other qube could \
    not detect when the user had finished",
);
const BACKUP_ELSEWHERE: Row = (
    "~/.local/state/qfile/, /var/tmp/",
    "\
    The folders in which FILE~ is saved if the folder of FILE cannot be written. If \
    XDG_STATE_HOME is set, the first folder is $XDG_STATE_HOME/qfile",
);
const WINDOW: &str = "\
Without --gui, a failure is shown in a window if there is a display, stderr is not a terminal, \
and the command has no controlling terminal. This is the case when a file manager starts it. The \
command does not wait until the window is closed.";
const UNSEEN: Row = (
    "QFILE_DIALOGS=none",
    "Do not show a window for a failure, unless --gui is given",
);
const PLACING: &str = "\
The new content is written to a temporary file, which then exchanges names with FILE. If FILE has \
hard links, is a mount point, or is in a folder without write permission, it is rewritten instead. In this case its previous content \
is copied first, and the copy is deleted when the new content is on disk.";
const START_UP_TEXT: &str = "\
An answer of vm-file-editor(8) shows where it begins and whether it is complete. Text that a \
start-up file of the other qube prints is not part of the answer. An answer of another program does \
not show where it begins or whether it is complete. When such an answer replaces FILE, the previous \
content is saved as FILE~.";
const ELSEWHERE: Row = (
    "/tmp/",
    "\
    The folder in which the edit is saved, under one of the names above, if the folder of FILE \
    cannot be written",
);

/// qvm-open-in-vm
pub const QVM_OPEN_IN_VM: Words = Words {
    more: &[
        PLACING,
        SHOWING_CHANGES,
        NAME_THERE,
        NAMES_IN_MESSAGES,
        START_UP_TEXT,
        WINDOW,
    ],
    environment: &[CLIENT, IN_DISPOSABLE, DISPLAY, DIALOGS, UNSEEN, LOG],
    files: &[
        (
            "FILE~",
            "\
            The previous content of FILE. This content is saved with --backup, if FILE had more than 512 bytes and \
            the new content has less than half of the previous length, or if the answer does not \
            show whether it is complete. A number is added if the name already exists",
        ),
        EDITED,
        MEANWHILE,
        INCOMPLETE,
        BACKUP_ELSEWHERE,
        ELSEWHERE,
        (
            "/etc/qubes-rpc/qubes.OpenInVM, /etc/qubes-rpc/qubes.OpenURL",
            "The services that the command calls in the other qube",
        ),
    ],
    examples: &[
        (
            "qvm-open-in-vm work letter.odt",
            "Edit a file in the qube work:",
        ),
        (
            "qvm-open-in-vm --diff --backup work notes.txt",
            "Edit a file, see the changes before the file is replaced, and keep the previous content:",
        ),
        (
            "qvm-open-in-vm --view-only scan.pdf",
            "View a file without editing it. dom0 asks for the target qube:",
        ),
        (
            "qvm-open-in-vm personal https://www.qubes-os.org/",
            "Open a URL in the qube personal:",
        ),
    ],
    see_also: &["qvm-open-in-dvm(1)", "qvm-copy(1)", "vm-file-editor(8)"],
};

/// qvm-open-in-dvm
pub const QVM_OPEN_IN_DVM: Words = Words {
    examples: &[
        (
            "qvm-open-in-dvm letter.odt",
            "Edit a file in a new disposable:",
        ),
        (
            "qvm-open-in-dvm --view-only attachment.pdf",
            "View a file that may be hostile:",
        ),
    ],
    see_also: &["qvm-open-in-vm(1)", "qvm-copy(1)", "vm-file-editor(8)"],
    ..QVM_OPEN_IN_VM
};

/// qfile-agent
pub const QFILE_AGENT: Words = Words {
    more: &[WITHOUT_A_LENGTH],
    environment: &[
        (
            "TMPDIR",
            "\
            The folder for temporary files, instead of /var/tmp. Temporary files contain the data for \
            --manifest and --journal until that data is written, and files whose length is not \
            known",
        ),
        DISPLAY,
        DIALOGS,
    ],
    files: &[INCOMING, FILECOPY],
    examples: &[(
        "qrexec-client-vm vault qubes.Filecopy /usr/lib/qubes/qfile-agent -- report.odt",
        "Send a file. The names are not checked before the call:",
    )],
    see_also: &["qvm-copy(1)", "qfile-unpacker(8)", "qubes-fs-tree-check(8)"],
};

/// qfile-unpacker
pub const QFILE_UNPACKER: Words = Words {
    more: &[
        "\
        The program reads the stream from stdin and writes the verdict, which contains the \
        result, to stdout. The program is set-uid root only so that it can isolate itself in the incoming \
        folder before it reads the first byte. The isolated program has a root directory of its own and no \
        capabilities, and Landlock and seccomp restrict it.",
        "\
        A file appears under its name only when its content is complete. No existing file is \
        overwritten. The program confirms success only when everything is on disk.",
        "\
        If the file system does not set the mode or the times of a file or folder, the file or \
        folder is stored without them if its owner can use it. Otherwise it is refused.",
        "\
        Options cannot be abbreviated. If two options contradict each other, the last one is \
        used. The second form of the command line is for older callers. In that form, BYTES is \
        optional, and 1 by default.",
        "\
        The calling qube can read stderr. Without -v, messages on stderr therefore do not name \
        files or folders of this qube. The system log of this qube contains more details.",
    ],
    environment: &[
        (
            "QREXEC_REMOTE_DOMAIN",
            "The calling qube. qrexec sets this variable. The variable is required unless DIR is given",
        ),
        (
            "HOME",
            "\
            The home directory. The variable is used only if the program is not set-uid and not \
            run by root. Otherwise the home directory of the password database is used",
        ),
        (
            "UPDATES_MAX_BYTES, UPDATES_MAX_FILES",
            "\
            Limits that replace those of --profile dom0. These variables are used only if the \
            program is not set-uid",
        ),
    ],
    files: &[
        (
            "/etc/qubes/filecopy.conf, /rw/config/filecopy.conf",
            "\
            The settings of the owner of this qube: see filecopy.conf(5). Options on the command \
            line override them. If the settings cannot be used, every copy is refused",
        ),
        INCOMING_HERE,
        (
            "/etc/qubes-rpc/qubes.Filecopy",
            "The service that starts the program",
        ),
    ],
    examples: &[(
        "exec /usr/lib/qubes/qfile-unpacker --max-files=1000 --on-conflict=rename",
        "\
        In a service of your own, accept at most 1000 files, and give a new name to files whose \
        name already exists:",
    )],
    see_also: &[
        "filecopy.conf(5)",
        "qubes-filecopy(8)",
        "qvm-copy(1)",
        "qfile-agent(8)",
        "landlock(7)",
        "seccomp(2)",
        "errno(3)",
    ],
};

/// qubes-filecopy
pub const QUBES_FILECOPY: Words = Words {
    more: &["\
        The notification contains the name of the calling qube and the number of files and \
        folders, but no name of a file. Setting NOTIFY=no in filecopy.conf(5) turns notifications off."],
    environment: &[
        (
            "QREXEC_REMOTE_DOMAIN",
            "The calling qube. qrexec sets this variable. Without it, only the receiver is run",
        ),
        (
            "XDG_RUNTIME_DIR",
            "The folder that contains qfile/, the folder for locks, instead of /run/user/UID",
        ),
        (
            "DBUS_SESSION_BUS_ADDRESS",
            "The session bus, instead of the socket bus in the folder above",
        ),
    ],
    files: &[INCOMING_HERE],
    examples: &[(
        "exec /usr/lib/qubes/qubes-filecopy /usr/lib/qubes/qfile-unpacker --max-files=1000",
        "In a service of your own, accept at most 1000 files, and notify the user:",
    )],
    see_also: &["filecopy.conf(5)", "qfile-unpacker(8)", "notify-send(1)"],
};

const INCOMING_HERE: Row = (
    "~/QubesIncoming/QUBE/",
    "The folder in which files from QUBE arrive. The program creates it if it does not exist",
);

/// qopen-in-vm
pub const QOPEN_IN_VM: Words = Words {
    more: &[PLACING, START_UP_TEXT],
    environment: &[LOG],
    files: &[
        (
            "FILE~",
            "\
            The previous content of FILE. This content is saved if the answer does not show \
            whether it is complete, or if FILE had more than 512 bytes and the new content has less \
            than half of the previous length. A number is added if the name already exists",
        ),
        EDITED,
        MEANWHILE,
        INCOMPLETE,
        BACKUP_ELSEWHERE,
        ELSEWHERE,
        (
            "/etc/qubes-rpc/qubes.OpenInVM",
            "The service that the command calls in the other qube",
        ),
    ],
    examples: &[(
        "qrexec-client-vm @dispvm qubes.OpenInVM /usr/lib/qubes/qopen-in-vm letter.odt",
        "Edit a file in a new disposable:",
    )],
    see_also: &["qvm-open-in-vm(1)", "vm-file-editor(8)"],
};

/// vm-file-editor
pub const VM_FILE_EDITOR: Words = Words {
    more: &[
        "\
        The user has finished when the opener and all processes that it started have ended, and \
        no other program has the file open or was started with its name. If no such program is \
        found, a window asks the user to confirm that they have finished. If the file was opened for \
        viewing only, the user is not asked.",
        "\
        A client of qfile requests an answer in a frame. The frame says what happened to the \
        file, and shows whether the answer is complete. Other clients get only the new content. \
        An emptied file cannot be sent to them.",
        "\
        Other files that were saved next to the opened file, such as an export or a copy under \
        another name, are not sent. These files are moved to ~/QubesIncoming/QUBE/NAME-XXXXXX/, and \
        their path is written to stderr and to the system log. In a disposable, a window shows \
        the path and waits until the user closes it, because the files are lost when the \
        disposable ends. Hidden files, lock files, swap files and backup files of editors are \
        deleted. If the call ends before the edit is sent, the edit is saved in the same folder, \
        and a window shows its path. A signal ends the program at once. The file in /tmp is then \
        not deleted, because another program may still have it open.",
        "\
        The program forwards the stderr of the opener line by line, and replaces terminal control \
        characters. If there are too many lines, some are left out. The last line is always \
        written, and it is written last. Output after the end of the call is discarded.",
    ],
    environment: &[
        (
            "QREXEC_REMOTE_DOMAIN",
            "The calling qube. qrexec sets this variable",
        ),
        (
            "VM_FILE_EDITOR_OPENER",
            "\
            The absolute path of a program that opens the file, instead of qubes-open and xdg-open",
        ),
        (
            "VM_FILE_EDITOR_LOOK_EVERY_MS, VM_FILE_EDITOR_SETTLING_MS, VM_FILE_EDITOR_GLANCE_MS, VM_FILE_EDITOR_TOO_QUICK_MS",
            "\
            Times in milliseconds, with their defaults. LOOK_EVERY: the pause between two \
            searches for programs that have the file open (300). SETTLING: how long a program may \
            take to open the file after the opener has returned (3000). GLANCE: how long a \
            program must have the file open for it to count as viewed (1000). TOO_QUICK: if no \
            program is found, the shortest time in which a user can have read the file (10000)",
        ),
        (
            "VM_FILE_EDITOR_PERSISTENCE",
            "\
            The value none means that this qube is a disposable. rw-only or full means that it is \
            not. If the variable is not set, the program reads the value from QubesDB",
        ),
        ("HOME", "The folder that contains QubesIncoming"),
        LOG,
        DISPLAY,
        DIALOGS,
    ],
    files: &[
        (
            "/tmp/QUBE-XXXXXX/",
            "\
            The folder that contains the file while it is open. The folder is deleted at the end, unless \
            a program may still use the file",
        ),
        (
            "~/QubesIncoming/QUBE/NAME-XXXXXX/",
            "The folder for files that were saved in this qube and not sent back",
        ),
        (
            "/usr/bin/qubes-open",
            "The program that opens the file, if it is installed. Otherwise xdg-open opens it",
        ),
        (
            "/etc/qubes-rpc/qubes.OpenInVM",
            "The service that starts the program",
        ),
    ],
    examples: &[],
    see_also: &[
        "qvm-open-in-vm(1)",
        "qvm-open-in-dvm(1)",
        "qopen-in-vm(8)",
        "xdg-open(1)",
    ],
};

/// qubes-fs-tree-check
pub const QUBES_FS_TREE_CHECK: Words = Words {
    more: &["Nothing is sent. Files that cannot be copied are listed on stderr."],
    environment: &[],
    files: &[],
    examples: &[
        (
            "/usr/lib/qubes/qubes-fs-tree-check --allow-directories --allow-symlinks -- pictures/",
            "Check a folder before it is copied:",
        ),
        (
            "/usr/lib/qubes/qubes-fs-tree-check --machine-readable --allow-directories -- pictures/",
            "Count the bytes that a copy would send:",
        ),
    ],
    see_also: &["qvm-copy(1)", "qfile-agent(8)"],
};

/// tar2qfile
pub const TAR2QFILE: Words = Words {
    more: &[
        "\
        Each folder is sent once, before the first file in it, with the mode and times of that \
        file. A leading ./ of a name is removed.",
        "\
        The following are errors, after which the receiver confirms nothing: an incomplete or \
        damaged archive, a sparse file that is stored without its holes, and a name that every \
        receiver refuses. Compressed archives are not supported.",
        "\
        If ARCHIVE is -, the archive is read from stdin, and the program does not read a verdict. \
        In this case the exit status of the receiver shows the result. If stdin is connected to \
        the receiver, as under qrexec-client-vm, the program refuses to read an archive from it.",
    ],
    environment: &[],
    files: &[(
        "/etc/qubes-rpc/qubes.Restore",
        "The service that sends the files of an archive to another qube",
    )],
    examples: &[
        (
            "qrexec-client-vm vault qubes.Filecopy /usr/lib/qubes/tar2qfile photos.tar",
            "Send the files of an archive to the qube vault, without unpacking it in this qube:",
        ),
        (
            "qrexec-client-vm vault qubes.Filecopy /usr/lib/qubes/tar2qfile photos.tar 2024/ 2025/",
            "Send only the files in two folders of the archive:",
        ),
    ],
    see_also: &[
        "qubes-restore(8)",
        "qfile-agent(8)",
        "qfile-unpacker(8)",
        "tar(1)",
    ],
};

/// qubes-restore
pub const QUBES_RESTORE: Words = Words {
    more: &["\
        If the first line is the path of an existing file, it is used as a path, even if it \
        contains blanks. Otherwise it is used as a command. If the command fails, even at its \
        end, the restore fails."],
    environment: &[],
    files: &[(
        "/etc/qubes-rpc/qubes.Restore",
        "The service that starts the program",
    )],
    examples: &[
        (
            r#"qrexec-client-vm vault qubes.Restore /bin/sh -c 'echo photos.tar; echo 2024/; exec /usr/lib/qubes/qfile-unpacker "" restored'"#,
            "\
            From an archive in the qube vault, restore the files whose names begin with 2024/ \
            into the folder restored of this qube:",
        ),
        (
            r#"qrexec-client-vm vault qubes.Restore /bin/sh -c 'echo gzip -dc photos.tar.gz; echo; exec /usr/lib/qubes/qfile-unpacker "" restored'"#,
            "Decompress the archive with a command in the other qube, and restore all files:",
        ),
    ],
    see_also: &["tar2qfile(8)", "qubes-backup(8)", "qfile-unpacker(8)"],
};

/// qubes-backup
pub const QUBES_BACKUP: Words = Words {
    more: &["\
        The end of stdin does not show whether the backup is complete, because a caller that was \
        interrupted also closes stdin. The program therefore parses the structure of the archive \
        while it is copied. The backup counts as complete only if it ends where a tar archive, or \
        a sequence of tar archives, ends. If the backup is incomplete, the command is killed \
        before it reads the end."],
    environment: &[],
    files: &[
        (
            "FOLDER/qubes-backup-YYYY-MM-DDTHHMMSS",
            "\
            A complete backup. The name contains the local time at which the backup began. If the \
            name already exists, -2, -3 and so on is added",
        ),
        (
            "FOLDER/qubes-backup-YYYY-MM-DDTHHMMSS.incomplete",
            "A backup that is arriving, or that was interrupted",
        ),
        (
            "/etc/qubes-rpc/qubes.Backup",
            "The service that starts the program",
        ),
    ],
    examples: &[
        (
            "(echo backups; cat photos.tar) | qrexec-client-vm vault qubes.Backup",
            "Store an archive in the folder backups of the qube vault:",
        ),
        (
            r#"(echo "sh -c 'gzip >photos.tar.gz'"; cat photos.tar) | qrexec-client-vm vault qubes.Backup"#,
            "\
            Send an archive to a command in the other qube. The command is a shell, because > \
            needs one:",
        ),
    ],
    see_also: &["qubes-restore(8)", "tar(1)"],
};

/// qvm-run-vm
pub const QVM_RUN_VM: Words = Words {
    more: &[
        "The status 127 means that QUBE does not have the service, or that CMD ended with this status. If QUBE has the \
         service, CMD is not run a second time through qubes.VMShell. Otherwise, up to 1 MiB that the first call \
         took from stdin is sent again.",
        "The policy of dom0 must send both services to the same qube. Otherwise a CMD that ends with status 127 and \
         writes nothing to stdout is run in both qubes.",
    ],
    environment: &[CLIENT],
    files: &[(
        "/etc/qubes-rpc/qubes.VMExec, qubes.VMExecGUI, qubes.VMShell",
        "The services that are called in the other qube",
    )],
    examples: &[
        (
            "qvm-run-vm vault ls -l /home/user",
            "Run a program with arguments, without a shell:",
        ),
        (
            "qvm-run-vm vault 'ls /tmp | wc -l'",
            "Run a shell command line:",
        ),
        (
            "qvm-run-vm -d --no-gui sha256sum <download.iso",
            "Run a program in a new disposable, with a file of this qube on stdin:",
        ),
    ],
    see_also: &["qubes-vmexec(8)", "qvm-open-in-vm(1)"],
};

/// qubes-vmexec
pub const QUBES_VMEXEC: Words = Words {
    more: &[
        "The program is searched for in the folders of PATH unless its name contains a slash. A file without a #! \
         line is not given to a shell. A command can be encoded in several ways, because bytes that need no \
         escape may be escaped, too. A policy that compares the argument should allow only the shortest encoding.",
        "If the caller ignores SIGILL, SIGFPE or SIGSEGV, the command ignores this signal, too.",
    ],
    environment: &[
        (
            "PATH",
            "The folders of programs; /bin:/usr/bin if it is not set",
        ),
        (
            "QREXEC_REMOTE_DOMAIN",
            "The calling qube, which is written to the log",
        ),
    ],
    files: &[
        (
            "/etc/qubes-rpc/qubes.VMExec, qubes.VMExecGUI, qubes.VMRootExec",
            "The services that start the program",
        ),
        (
            "/dev/log",
            "The system log, to which the decoded command is written",
        ),
    ],
    examples: &[(
        "qrexec-client-vm vault qubes.VMExec+ls+--l+-2Ftmp",
        "Run ls -l /tmp in the qube vault:",
    )],
    see_also: &["qvm-run-vm(1)", "execve(2)"],
};

/// qubes-wait-for-session
pub const QUBES_WAIT_FOR_SESSION: Words = Words {
    more: &[
        "If the qube has a QubesDB, and its key /qubes-gui-enabled is True or missing, the program first waits for \
         the socket of the session. The session is that of the user whom the key /default-user names. If the same user \
         runs the program, the program then runs systemctl --user --wait is-system-running and waits until that \
         command ends.",
    ],
    environment: &[QUBESDB_DIR],
    files: &[
        (
            "/var/run/qubes/qrexec-server.USER.sock",
            "The socket, which exists once the session of USER has started",
        ),
        (
            "/etc/qubes-rpc/qubes.WaitForSession",
            "The service that starts the program",
        ),
    ],
    examples: &[],
    see_also: &["systemctl(1)", "qubesdb-read(1)"],
};

/// qvm-features-request
pub const QVM_FEATURES_REQUEST: Words = Words {
    more: &[],
    environment: &[QUBESDB_DIR, CLIENT],
    files: &[
        (
            "/etc/qubes/post-install.d/20-qfile-features.sh",
            "The script with which qubes.PostInstall reports the services and the operating system of a template",
        ),
        (
            "/etc/qubes-rpc/qubes.FeaturesRequest",
            "In dom0: the service that reads the requested features",
        ),
    ],
    examples: &[(
        "qvm-features-request --commit supported-rpc.acme.Print=1",
        "Tell dom0 that this template has a service:",
    )],
    see_also: &["qubesdb-write(1)"],
};

/// qubes-start-app
pub const QUBES_START_APP: Words = Words {
    more: &[STARTING, WAITING],
    environment: &[DATA_FOLDERS, SESSION_BUS],
    files: &[
        DESKTOP_FILES,
        DROP_INS,
        (
            "/etc/qubes-rpc/qubes.StartApp",
            "The service that starts the program",
        ),
    ],
    examples: &[(
        "qrexec-client-vm vault qubes.StartApp+org.gnome.Calculator",
        "Start the calculator in the qube vault:",
    )],
    see_also: &["qubes-desktop-run(1)", "qubes-app-menus(8)"],
};

/// qubes-desktop-run
pub const QUBES_DESKTOP_RUN: Words = Words {
    more: &[STARTING, WAITING],
    environment: &[DATA_FOLDERS, SESSION_BUS],
    files: &[DESKTOP_FILES, DROP_INS],
    examples: &[(
        "qubes-desktop-run xterm.desktop",
        "Start xterm in the same way as its menu entry:",
    )],
    see_also: &["qubes-start-app(8)", "qubes-app-menus(8)"],
};

/// qubes-app-menus
pub const QUBES_APP_MENUS: Words = Words {
    more: &[
        "If several desktop files have the same name, the first one in the order of the folders is used; the \
         folders of the user come before those of the system. qubes.StartApp starts the same one. Files with Hidden \
         or NoDisplay, files whose Type is not Application, and files whose TryExec does not exist are not listed.",
        "dom0 accepts only ASCII characters. If dom0 would not accept the Name, the English translation is used, or \
         else the closest accepted text. Other values that dom0 would not accept, and applications whose file name \
         dom0 would not accept, are left out and named on stderr.",
        "In a qube that keeps only its private volume, only the applications on that volume are listed, because the \
         template lists the others. In a disposable, none are listed.",
    ],
    environment: &[DATA_FOLDERS],
    files: &[
        DESKTOP_FILES,
        (
            "/etc/qubes-rpc/qubes.GetAppmenus",
            "The service that starts the program. The service first reads XDG_DATA_DIRS from /etc/profile",
        ),
    ],
    examples: &[(
        "qubes-app-menus >/dev/null",
        "List the applications of this qube that dom0 would not show, with the reason:",
    )],
    see_also: &["qubes-start-app(8)", "qubes-desktop-run(1)"],
};

/// qubes-image-rgba
pub const QUBES_IMAGE_RGBA: Words = Words {
    more: &[
        "The formats are PNG, JPEG, GIF, WebP, BMP, ICO, XPM and SVG, also compressed with gzip. FORMAT is one of \
         png, jpeg, jpg, gif, webp, bmp, ico, xpm, svg and svgz, in upper or lower case. Of an animation the first \
         picture is given, of an ICO file the largest one. The pixels have 8 bits for each channel, and alpha is \
         straight.",
        "An icon is found as the freedesktop.org Icon Theme Specification says: in the theme of the user, in those \
         that it inherits from, in hicolor, then among the icons without a theme, and at last in all other themes. \
         The name of an icon can also be an absolute path. Icons have at most 2048 x 2048 pixels; one that is larger \
         than 512 x 512 pixels is made smaller. Other pictures have at most 8192 x 5120 pixels.",
        "The name of a file is relative to the home folder. Only regular files are opened.",
        "The picture is decoded by a second process, which cannot open files, connect to anything or start programs. \
         Its limits for an icon are 10 s of computing time, 56 MiB of memory and 16 MiB of input, and for any other \
         picture 30 s, 640 MiB and 192 MiB. An SVG picture can contain other pictures, but a reference to another \
         file or to the network shows nothing. Scripts are not run, and text is not drawn.",
    ],
    environment: &[
        DATA_FOLDERS,
        (
            "HOME, XDG_CONFIG_HOME",
            "The folders of the user's pictures, icons and settings",
        ),
    ],
    files: &[
        (
            "/etc/qubes-rpc/qubes.GetImageRGBA",
            "The service that starts the program",
        ),
        (
            "~/.config/gtk-4.0/settings.ini, ~/.config/gtk-3.0/settings.ini, ~/.config/kdeglobals",
            "The icon theme of the user. Those of the system are in /etc/xdg, /etc and /usr/share",
        ),
        (
            "~/.icons, icons/ and pixmaps/ in the folders of data, /usr/share/pixmaps",
            "Icon themes, and icons without a theme",
        ),
    ],
    examples: &[(
        "echo xdgicon:firefox | qubes-image-rgba | head -n 1",
        "Show the size of an icon:",
    )],
    see_also: &["qubes-app-menus(8)"],
};

const STARTING: &str = "The desktop file decides how the application is started. If DBusActivatable is true, the \
                        session bus starts it. Otherwise, or if the bus refuses, the command of its key Exec is \
                        run: field codes are expanded as by GIO, without a file, and a terminal is used if Terminal \
                        is true. No shell is run. If the application cannot be started, a notification and stderr \
                        give the reason.";
const WAITING: &str = "In a disposable, the qube ends when the call ends. The program therefore waits until all \
                       processes that the application has started have ended, including those in the background. It \
                       does not wait for a session bus, or for programs that this bus has started. An application that \
                       the session bus started has ended when its name has left the bus.";
const DATA_FOLDERS: Row = (
    "XDG_DATA_HOME, XDG_DATA_DIRS",
    "Folders in order of precedence, instead of ~/.local/share and /usr/local/share:/usr/share. The \
     subfolder applications of each folder contains desktop files",
);
const SESSION_BUS: Row = ("DBUS_SESSION_BUS_ADDRESS", "The address of the session bus");
const DESKTOP_FILES: Row = (
    "~/.local/share/applications/, /usr/share/applications/",
    "The desktop files, also in subfolders",
);
const DROP_INS: Row = (
    "/etc/qubes/applications/ID.desktop.d/",
    "Files whose keys replace those of a desktop file, in the order of their names",
);

/// The commands of QubesDB.
pub const QUBESDB: Words = Words {
    more: &[QUBESDB_PATHS],
    environment: &[QUBESDB_DIR],
    files: &[
        (
            "/var/run/qubes/qubesdb.sock, /var/run/qubes/qubesdb.ro.sock",
            "The sockets of the daemon of this qube. The second socket permits only reading",
        ),
        (
            "/var/run/qubes/qubesdb.QUBE.sock",
            "In dom0: the socket of the daemon for QUBE",
        ),
    ],
    examples: &[],
    see_also: &[
        "qubesdb-read(1)",
        "qubesdb-multiread(1)",
        "qubesdb-list(1)",
        "qubesdb-write(1)",
        "qubesdb-rm(1)",
        "qubesdb-watch(1)",
        "qubesdb-read-bool(1)",
        "qubesdb-daemon(8)",
    ],
};

/// qrexec-ssh
pub const QREXEC_SSH: Words = Words {
    more: &[
        "\
        A line of remotes.conf is NAME = DESTINATION [QUBE]. DESTINATION is what ssh calls the \
        machine: a Host of ssh_config(5) or a host name, with USER@ before it if necessary. QUBE is a \
        qube on that machine, if it has qubes, or @dispvm. @default and @dispvm can only be used if \
        there is a line with that NAME; in the line for @dispvm, QUBE must be @dispvm. Blank lines and lines that \
        begin with # are ignored. The first line with a name counts. The file, the home \
        folder and each folder between them must belong to root or to the user, and no other user may \
        be able to write to them. The same is true for what a symbolic link leads to. If that is not \
        so, or if a line cannot be read, every call is refused. With --transport, QubesDB says which \
        qube is called; if the line names another QUBE, the call is refused.",
        "\
        PROGRAM is started only when the other machine has allowed the call. If the connection breaks \
        or the other machine does not answer for 45 seconds, the call ends with status 255. So it does \
        if connecting takes more than 30 seconds for each address of the host or, without a terminal \
        at which a person could be asked, if the other machine has not answered after 50 seconds. \
        ControlPath in ssh_config(5) has no effect: a shared connection would have other limits. The \
        program needs OpenSSH 8.7 or later.",
    ],
    environment: &[
        (
            "QREXEC_SSH",
            "The absolute path of the program to use instead of ssh. It gets the same arguments",
        ),
        (
            "XDG_CONFIG_HOME",
            "The folder that contains qfile/remotes.conf, instead of ~/.config",
        ),
        (
            "QREXEC_REMOTE_DOMAIN, QUBESDB_DIR",
            "With --transport: the calling qube, and the folder of the sockets of QubesDB",
        ),
        LOG,
    ],
    files: &[
        (
            "~/.config/qfile/remotes.conf, /etc/qfile/remotes.conf",
            "The names of other machines and of their qubes",
        ),
        (
            "/etc/qubes-rpc/qubesair.SSHProxy",
            "The transport of a RemoteVM, which uses --transport",
        ),
    ],
    examples: &[
        (
            "qrexec-ssh server qubes.VMExec+id",
            "Run the command id on the machine server:",
        ),
        (
            "qvm-copy-to-vm server report.odt",
            "Copy a file to that machine. On a machine without qrexec, the command uses this program:",
        ),
    ],
    see_also: &["qrexec-ssh-serve(8)", "qvm-copy(1)", "ssh_config(5)"],
};

/// qrexec-ssh-serve
pub const QREXEC_SSH_SERVE: Words = Words {
    more: &[
        "\
        A policy consists of lines SERVICE|* +ARG|* SOURCE TARGET allow|deny [user=ACCOUNT]. SOURCE is \
        the name of the key, or NAME--QUBE for a relay. TARGET is @default, because this machine has \
        no qubes; @anyvm and * match it, too. The first line that matches decides. If no line \
        matches, the call is refused. A line with ask refuses the call.",
        "\
        Policy files, and each folder from the home folder and from /etc to them, must belong to root \
        or to the account. No other user may be able to write to them, and none may be a symbolic \
        link. If that is not so, or if a line cannot be read or has an option twice, every call is \
        refused. The system log names the file and the line; the caller only learns that the policy \
        cannot be used.",
        "\
        A service is an executable file. The program looks for SERVICE+ARG and then for SERVICE in \
        /run/qubes-rpc, /usr/local/etc/qubes-rpc, /etc/qubes-rpc and /usr/lib/qubes/rpc.",
        "\
        The settings of a service are looked for under the same names in /run/qubes/rpc-config, \
        /usr/local/etc/qubes/rpc-config, /etc/qubes/rpc-config and /usr/lib/qubes/rpc-config. With \
        force-user='ACCOUNT', the service runs only if the key opens that account; if not, the status \
        is 126. If the settings cannot be read, the status is 125. wait-for-session has no effect, \
        because there is no session, and nor have the settings for services that are sockets.",
        "\
        Every call has one line in the system log at its end, with its source, service, target, exit \
        status, number of bytes from and to the caller, and duration. A call that is allowed also has \
        one right before its service is executed, in case the end cannot be written: it ends with the \
        word starting, and has no status. If the log does not take that line within two seconds, the \
        call is refused.",
        "\
        The key can do nothing else only if no other line of authorized_keys has it: sshd uses the \
        first line that fits. --key-line warns if the account has the key already. ClientAliveInterval \
        15 and ClientAliveCountMax 2 in sshd_config(5) end a service whose caller has gone without a \
        word.",
    ],
    environment: &[
        (
            "SSH_ORIGINAL_COMMAND",
            "Set by sshd: the call, qrexec-v1 QUBE SERVICE+ARG [SOURCE]",
        ),
        (
            "HOME",
            "Set by sshd: the home folder of the account, in which services run",
        ),
        LOG,
    ],
    files: &[
        (
            "/etc/qfile/policy.d/*.policy",
            "The policy of this machine. The files are read in the order of their names",
        ),
        (
            "~/.config/qfile/policy.d/*.policy",
            "The policy of the account, which is read after the policy of this machine",
        ),
        (
            "~/.ssh/authorized_keys",
            "The keys that open the account: see sshd(8)",
        ),
    ],
    examples: &[
        (
            "/usr/lib/qubes/qrexec-ssh-serve --as laptop --key-line laptop.pub >>~/.ssh/authorized_keys",
            "Allow the owner of a key to call services under the name laptop:",
        ),
        (
            "/usr/lib/qubes/qrexec-ssh-serve --as office --may-speak-for 'work vault' --relay --key-line \
             office.pub",
            "Print the line for a relay of another Qubes OS machine:",
        ),
    ],
    see_also: &["qrexec-ssh(8)", "sshd(8)", "ssh-keygen(1)"],
};

/// qubesdb-daemon
pub const QUBESDB_DAEMON: Words = Words {
    more: &[QUBESDB_PATHS],
    environment: &[],
    files: &[
        (
            "/var/run/qubes/qubesdb.sock, /var/run/qubes/qubesdb.ro.sock, /var/run/qubes/qubesdb.pid",
            "In a qube: the sockets and the pid file",
        ),
        (
            "/var/run/qubes/qubesdb.NAME.sock, .ro.sock, .pid",
            "\
            In dom0: the sockets and the pid file for each qube. The files of dom0 itself also have \
            links without NAME",
        ),
        (
            "/var/run/vchan/vchan.SERVER.CLIENT.111.sock",
            "The socket that connects the two daemons",
        ),
        (
            "/var/log/qubes/qubesdb.NAME.log",
            "The messages of a daemon that runs in the background. In a qube, NAME is dom0",
        ),
    ],
    examples: &[(
        "QUBESDB_DIR=/tmp/db qubesdb-daemon --foreground --alone 0",
        "Run a QubesDB for this machine, without Xen:",
    )],
    see_also: &["qubesdb-read(1)", "systemd.service(5)"],
};

/// qubes-firewall
pub const QUBES_FIREWALL: Words = Words {
    more: &[
        "Each address has a chain in the table qubes-firewall of its family. Each name in a rule \
         has a set of addresses in this table. The program updates the sets. While a name has no \
         address, the qubes that have a rule with this name are blocked. Established connections \
         that new rules forbid are cut.",
        "With --legacy, the program does none of this. It gives the texts of Qubes OS 3.x to \
         iptables-restore, first with --test, and writes an error to /qubes-iptables-error.",
    ],
    environment: &[],
    files: &[
        (
            "/etc/qubes/qubes-firewall.d/, /rw/config/qubes-firewall.d/",
            "Programs that run after the tables are created and before any rule is added, in the order of their names",
        ),
        (
            "/rw/config/qubes-firewall-user-script",
            "A program that runs after those in the folders above",
        ),
        (
            "/etc/resolv.conf",
            "The name servers that specialtarget=dns permits, and that are asked for the names in rules",
        ),
        (
            "/etc/hosts",
            "Names and their addresses. No name server is asked for these names",
        ),
    ],
    examples: &[
        (
            "echo 'action=accept dst4=192.0.2.0/24 proto=tcp' | qubes-firewall --check -",
            "Show how a rule is translated for nft:",
        ),
        (
            "qubesdb-multiread -f /qubes-firewall/ | qubes-firewall --check -",
            "Check the rules that dom0 has written:",
        ),
    ],
    see_also: &[
        "nft(8)",
        "qubes-network(8)",
        "qubesdb-multiread(1)",
        "systemd.service(5)",
    ],
};

/// qubes-network
pub const QUBES_NETWORK: Words = Words {
    more: &[
        "setup-ip add gives an interface of this qube the addresses, routes and name servers of \
         QubesDB, then runs the program of the user. setup-ip remove takes them away and switches \
         the interface off. In a qube that provides network, setup-ip add also does what dns does.",
        "start creates the tables that check the source addresses of packets. client add lets \
         packets with these source addresses, and no others, come from the interface of a qube \
         behind this one. client remove lets nothing come from it any more.",
        "dns sends the DNS requests of the qubes behind this one to the first two name servers of \
         this qube.",
    ],
    environment: &[],
    files: &[
        (
            "/etc/resolv.conf",
            "The name servers of this qube. setup-ip add replaces it, unless it is protected",
        ),
        (
            "/etc/qubes/protected-files.d/, /rw/config/protected-files.d/",
            "Files whose lines are the paths of protected files",
        ),
        (
            "/rw/config/qubes-ip-change-hook",
            "The program of the user that runs at the end of setup-ip add",
        ),
        (
            "/run/qubes-service/",
            "The services of this qube. custom-persist, disable-default-route, disable-dns-server \
             and network-manager have an effect",
        ),
        (
            "/etc/NetworkManager/system-connections/qubes-uplink-INTERFACE",
            "The connection for NetworkManager",
        ),
    ],
    examples: &[
        (
            "qubes-network setup-ip add eth0",
            "Set up the network again after a change in QubesDB:",
        ),
        (
            "nft list set ip qubes allowed",
            "Show which addresses may come from which interface:",
        ),
    ],
    see_also: &["nft(8)", "qubes-firewall(8)", "qubesdb-read(1)"],
};

/// qubes-config
pub const QUBES_CONFIG: Words = Words {
    more: &[
        "A service NAME is on while the file /run/qubes-service/NAME exists. The files are made in a \
         new folder, which takes the place of the old one in one step. The keys \
         /qubes-service/NAME have the value 1 (on) or 0 (off). A service without a key is on or off \
         by default, depending on the type of the qube. A name consists of letters, digits and \
         ._@-, and begins with a letter, a digit or _. Files that other programs put into the folder \
         stay there.",
        "The keys /qubes-vm-type and /qubes-vm-persistence are required. If one of them is not \
         understood, nothing is changed. The key /name becomes the host name and a name in \
         /etc/hosts, and /qubes-timezone becomes the link /etc/localtime. A value that is not \
         understood is printed and skipped.",
        "With --watch, the program changes only the file of the service whose key changed. A service \
         whose key is removed gets its default. Between two changes, nothing runs.",
    ],
    environment: &[],
    files: &[
        (
            "/run/qubes-service/",
            "The services that are on. .decided names those that this program decided about",
        ),
        (
            "/run/qubes-service-environment",
            "An empty file, which is written last. Scripts wait for it",
        ),
        (
            "/run/qubes/this-is-TYPE, /run/qubes/persistent-WHAT",
            "The type of the qube, and what it keeps between its starts",
        ),
        (
            "/etc/hosts, /etc/localtime, /etc/timezone, /etc/sysconfig/clock",
            "The name and the time zone of the qube",
        ),
        (
            "/etc/qubes/protected-files.d/, /rw/config/protected-files.d/",
            "Files whose lines are the paths of protected files. /etc/hostname protects the host name, \
             and /etc/timezone protects the time zone",
        ),
    ],
    examples: &[(
        "qubes-config apply",
        "Apply the keys again, and show what changed:",
    )],
    see_also: &["qubesdb-read(1)", "meminfo-writer(8)"],
};

/// qubes-block-devices
pub const QUBES_BLOCK_DEVICES: Words = Words {
    more: &[
        "A device is published as the keys desc, size, mode and parent in the folder \
         /qubes-block-devices/NAME/ of QubesDB. All keys are written before dom0 is told to look. If \
         nothing changed, nothing is written.",
        "A device is withdrawn if it is mounted, used for swapping, open, or part of another device; \
         if its disk or one of its partitions is in use or attached to another qube; if it has no \
         content; or if a folder above its image contains the file .qubes-exclude-block-devices. A \
         device that is itself attached to another qube stays published.",
        "dom0 takes names of at most 12 small letters, digits and -. A device with another name is not \
         published, and the log says so.",
    ],
    environment: &[],
    files: &[
        (
            ".qubes-exclude-block-devices",
            "A file that excludes the images in its folder and below",
        ),
        (
            "/run/qubes/block-slave-cache-NAME",
            "What a device of the device mapper consists of",
        ),
        (
            "/run/udev/data/",
            "What udev knows of the devices that the event is not about",
        ),
    ],
    examples: &[
        (
            "qubes-block-devices refresh",
            "Judge all devices again, for example after a file system was unmounted:",
        ),
        (
            "qubesdb-multiread /qubes-block-devices/",
            "Show what is published:",
        ),
    ],
    see_also: &["qubesdb-multiread(1)", "qubes-usb-devices(8)", "udev(7)"],
};

/// qubes-usb-devices
pub const QUBES_USB_DEVICES: Words = Words {
    more: &[
        "A device is published as the keys desc, usb-ver and interfaces in the folder \
         /qubes-usb-devices/BUSID/ of QubesDB. BUSID is the name of the kernel with _ in place of each \
         dot. All keys are written before dom0 is told to look. If nothing changed, nothing is written. \
         The keys that other programs write for a connected device stay.",
    ],
    environment: &[],
    files: &[(
        "/run/udev/data/",
        "With refresh: what udev knows of the devices",
    )],
    examples: &[(
        "qubesdb-multiread /qubes-usb-devices/",
        "Show what is published:",
    )],
    see_also: &["qubesdb-multiread(1)", "qubes-block-devices(8)", "udev(7)"],
};

/// meminfo-writer
pub const MEMINFO_WRITER: Words = Words {
    more: &[
        "The memory in use is MemTotal - Buffers - Cached - MemFree + SwapTotal - SwapFree of \
         /proc/meminfo. Instead of MemTotal, the size that the balloon driver of Xen sets is used, if \
         there is one. If a field is missing, nothing is reported, and one message says so.",
        "While nothing moves, the delay doubles after each look, up to 0.9 seconds, and nothing is \
         written. What has to be reported is therefore reported within a second.",
        "Without --foreground, the program continues in the background, and its messages go to the \
         system log.",
    ],
    environment: &[],
    files: &[
        ("/proc/meminfo", "The counters of the kernel"),
        (
            "/sys/devices/system/xen_memory/xen_memory0/info/current_kb",
            "The size of this qube in kB",
        ),
    ],
    examples: &[(
        "meminfo-writer 30000 100000 /run/meminfo-writer.pid",
        "Report as a qube of Qubes OS does:",
    )],
    see_also: &["qubes-config(8)"],
};

/// qubes-sync-clock
pub const QUBES_SYNC_CLOCK: Words = Words {
    more: &[
        "The line has the form YYYY-MM-DDThh:mm:ss, a comma and nine digits or nothing, and +00:00, +0000 or Z. \
         Anything else is refused: another zone, a day that the calendar does not have, a second line, and a line that \
         has not ended in time. A time is also refused if it is earlier than the build of the program, or more than 20 \
         years later.",
        "The slow correction is made by python3. Without python3, a clock that is behind is set forward, and a clock \
         that is ahead is not changed. If the clock was set by more than a minute, the program writes the old and the \
         new time to stderr and to the system log.",
    ],
    environment: &[],
    files: &[(
        "/etc/qubes-rpc/qubes.SetDateTime",
        "The service that starts the program",
    )],
    examples: &[(
        "date -u -Ins | qubes-sync-clock --dry-run",
        "Show what would be done:",
    )],
    see_also: &["qvm-sync-clock(1)", "adjtime(3)", "clock_settime(2)"],
};

/// qvm-sync-clock
pub const QVM_SYNC_CLOCK: Words = Words {
    more: &["The answer is judged as qubes-sync-clock(8) judges its line."],
    environment: &[CLIENT],
    files: &[
        (
            "qubes-sync-time.timer",
            "The unit that runs the program every six hours, unless the qube has the service clocksync",
        ),
        (
            "/run/qubes-service/clocksync",
            "This file exists in the qube that keeps the time for the others",
        ),
    ],
    examples: &[(
        "qvm-sync-clock --dry-run",
        "Show how far the clock is off, without root:",
    )],
    see_also: &["qubes-sync-clock(8)", "qubes-sync-ntp-clock(8)"],
};

/// qubes-sync-ntp-clock
pub const QUBES_SYNC_NTP_CLOCK: Words = Words {
    more: &[
        "With chrony, the servers are asked at once, and the program ends when chrony trusts one of them. A clock that \
         is 2 s off or more is then set. systemd-timesyncd is restarted, because it asks its servers when it starts. \
         With ntpd, the program waits until the clock is right. If none of them runs, a message says of each what is \
         missing.",
    ],
    environment: &[],
    files: &[
        (
            "/etc/qubes-rpc/qubes.SyncNtpClock",
            "The service that starts the program",
        ),
        (
            "/run/systemd/timesync/synchronized",
            "The file that systemd-timesyncd changes when it has set the clock",
        ),
    ],
    examples: &[],
    see_also: &[
        "chronyc(1)",
        "systemd-timesyncd.service(8)",
        "ntpq(8)",
        "qvm-sync-clock(1)",
    ],
};

/// qubes-resize-disk
pub const QUBES_RESIZE_DISK: Words = Words {
    more: &[
        "The file system is recognised by its superblock before anything is changed. XFS and Btrfs grow only while \
         they are mounted. If the device is smaller than the file system, or has the signatures of two file systems, \
         nothing is changed.",
        "The root file system can be on the disk itself, on partition 3 of the disk, or on a mapping of the whole disk. \
         The partition grows only if no other partition is behind it. The mapping has to be linear or a snapshot.",
        "If a step fails, the message names it, and says how to go on by hand.",
    ],
    environment: &[],
    files: &[
        (
            "/etc/qubes-rpc/qubes.ResizeDisk",
            "The service that starts the program",
        ),
        (
            "resize2fs, xfs_growfs, btrfs",
            "The programs that grow the file systems",
        ),
        (
            "sfdisk, partx, dmsetup",
            "The programs that grow the partition or the mapping",
        ),
    ],
    examples: &[(
        "echo private | qubes-resize-disk",
        "Grow the file system of the volume private:",
    )],
    see_also: &[
        "resize2fs(8)",
        "xfs_growfs(8)",
        "btrfs-filesystem(8)",
        "sfdisk(8)",
        "dmsetup(8)",
    ],
};

/// qubes-keymap
pub const QUBES_KEYMAP: Words = Words {
    more: &[
        "The key has the form LAYOUT+VARIANT+OPTIONS. Parts at its end can be missing, and an empty layout \
         is us. The characters are those that dom0 allows: A-Z and a-z in the layout, also 0-9, _ and - in \
         the variant, and also : and the comma in the options. Any other value is refused.",
        "Unless the layout is us or si, us becomes the second layout, so that shortcuts work. The options \
         replace those that were set before. If the key is empty or missing, nothing is changed.",
        "A display is of this user if its socket belongs to the user, or if DISPLAY names it. An X server \
         that does not answer within 10 seconds is no longer waited for.",
    ],
    environment: &[(
        "DISPLAY",
        "A display of this user, whoever its socket belongs to",
    )],
    files: &[
        (
            "/etc/xdg/autostart/qubes-keymap.desktop",
            "The entry that starts the program with the session",
        ),
        (
            "/tmp/.X11-unix",
            "The folder with the sockets of the X servers",
        ),
    ],
    examples: &[("qubes-keymap --once", "Set the layout again:")],
    see_also: &["qubesdb-watch(1)", "setxkbmap(1)", "xkeyboard-config(7)"],
};

/// qubes-select-file
pub const QUBES_SELECT_FILE: Words = Words {
    more: &[
        "The chooser is that of xdg-desktop-portal if there is one, else zenity or kdialog. It is started \
         by its absolute path, and no shell is involved.",
        "dom0 takes paths of at most 512 bytes. They consist of the letters A-Z and a-z, digits, blanks and \
         the characters / : . , _ + = ( ) ? -. Neither ../ nor a blank at the end is possible.",
        "If the caller ends the call, the chooser is closed.",
    ],
    environment: &[
        (
            "QFILE_DIALOGS=zenity, QFILE_DIALOGS=kdialog",
            "Do not ask xdg-desktop-portal. With kdialog, use kdialog even if zenity is installed",
        ),
        (
            "XDG_STATE_HOME",
            "The folder that contains qfile/select-file, instead of ~/.local/state",
        ),
    ],
    files: &[
        (
            "/etc/qubes-rpc/qubes.SelectFile, /etc/qubes-rpc/qubes.SelectDirectory",
            "The services that start the program",
        ),
        (
            "~/.local/state/qfile/select-file",
            "The folder in which the next choice begins",
        ),
    ],
    examples: &[(
        "qubes-select-file --directory",
        "Choose a folder, as dom0 would have it chosen:",
    )],
    see_also: &["qubes-wait-for-session(8)"],
};

/// qubes-set-monitor-layout
pub const QUBES_SET_MONITOR_LAYOUT: Words = Words {
    more: &[
        "There are 1 to 16 lines. A width and a height are 64 to 32767 pixels, and the whole layout fits into \
         32767 x 32767 pixels. A place is not negative. Sizes in millimetres are 0 to 65535. If a line has a \
         fifth word only, or more than six, these words are ignored.",
        "The monitor of the first line is the output DUMMY0, that of the second DUMMY1, and so on. All of the \
         layout is set while no other program can use the X server, and read back. If a step fails, the \
         layout from before is set again.",
        "The X server remembers when the lines of the last call had arrived, in the property \
         _QFILE_MONITOR_LAYOUT of its root window. An earlier call that comes late changes nothing. Signals \
         wait until a change has ended. SIGKILL does not wait, and can leave a part of a layout; the next \
         call sets all of it.",
        "The screen gets as many pixels to the inch as the monitor of the first line has. If that line has no \
         size in millimetres, the screen keeps those that it has.",
        "Each mode has exactly the wanted width and height, and 60 pictures in a second. Its name begins with \
         QB. Modes of earlier layouts are removed. If a line has no size in millimetres, that of an earlier \
         layout is forgotten.",
    ],
    environment: &[(
        "XAUTHORITY",
        "The file with the key of the X server, instead of ~/.Xauthority",
    )],
    files: &[
        (
            "/etc/qubes-rpc/qubes.SetMonitorLayout",
            "The service that starts the program",
        ),
        (
            "/run/qubes-service/guivm-gui-agent",
            "If it exists, the X server is :1 instead of :0",
        ),
    ],
    examples: &[(
        "printf '1920 1080 0 0\\n1280 1024 1920 0\\n' | qubes-set-monitor-layout",
        "Set two monitors, one to the right of the other:",
    )],
    see_also: &["xrandr(1)", "icon-sender(8)"],
};

/// icon-sender
pub const ICON_SENDER: Words = Words {
    more: &[
        "When the program starts, it sends the icons of all windows. Later it sends the icon of a window when \
         the window is mapped, and when its property _NET_WM_ICON changes. The same icon of a window is not \
         sent twice in a row. If a window changes its icon faster than dom0 reads, only the last icon is sent.",
        "Of the icons in _NET_WM_ICON, the first of these sizes is sent: 128, 96, 64, 48, 256, 512, 32 pixels \
         square; else the widest, and of several the highest. Icons of more than 1024 pixels are not sent. \
         A window without such an icon has that of its property WM_HINTS. An icon that is not complete is not \
         sent.",
        "The memory of the program does not grow with the number or the size of icons.",
    ],
    environment: &[CLIENT],
    files: &[
        (
            "/etc/xdg/autostart/qubes-icon-sender.desktop",
            "Starts the program with the desktop",
        ),
        (
            "/run/qubes-service/minimal-netvm, minimal-usbvm",
            "If one of them exists, the program ends at once",
        ),
    ],
    examples: &[],
    see_also: &["qubes-set-monitor-layout(8)", "xprop(1)"],
};

/// qubes-suspend
pub const QUBES_SUSPEND: Words = Words {
    more: &[
        "pre has NetworkManager sleep if the qube has the service network-manager, or stops it. It switches off the \
         interfaces of real devices, takes every PCI device from its driver, the last one first, and removes the modules \
         of the lists. The devices of Xen and of virtio, and graphics cards of Intel, stay. If the kernel was started \
         with qubes_exp_pm_use_suspend=1, only NetworkManager is told.",
        "post undoes the steps in the reverse order. If a step cannot be undone, its record stays in /run, and the next \
         post tries it again. In a qube with the service minimal-netvm, post first makes room in the memory.",
        "pre-all and post-all run the executable scripts whose names end in .sh, in the order of the names, for at most \
         20 seconds each.",
        "dom0 waits for 60 seconds. A step that takes longer than 15 seconds is no longer waited for. After 50 \
         seconds, the remaining steps are not started, and a message lists them.",
    ],
    environment: &[],
    files: &[
        (
            "/etc/qubes-suspend-module-blacklist, /rw/config/suspend-module-blacklist",
            "The modules that are removed, separated by blanks or newlines. A line that begins with # is a comment. The \
             second list does not count if the qube has the service custom-persist",
        ),
        (
            "/etc/qubes/suspend-pre.d/, /etc/qubes/suspend-post.d/",
            "The scripts of pre-all and of post-all",
        ),
        (
            "/run/qubes-suspend-pci-devs-detached, /run/qubes-suspend-modules-loaded, \
             /run/qubes-suspend-interfaces-down",
            "What pre has done, and post has to undo",
        ),
        (
            "/etc/qubes-rpc/qubes.SuspendPre, qubes.SuspendPost, qubes.SuspendPreAll, qubes.SuspendPostAll",
            "The services that start the program",
        ),
    ],
    examples: &[],
    see_also: &["modprobe(8)", "ip-link(8)", "qubes-detach-pci-device(8)"],
};

/// qubes-detach-pci-device
pub const QUBES_DETACH_PCI_DEVICE: Words = Words {
    more: &[],
    environment: &[],
    files: &[(
        "/etc/qubes-rpc/qubes.DetachPciDevice",
        "The service that starts the program",
    )],
    examples: &[],
    see_also: &["lspci(8)", "qubes-suspend(8)"],
};

const QUBESDB_DIR: Row = (
    "QUBESDB_DIR",
    "The folder of the sockets, instead of /var/run/qubes",
);
const QUBESDB_PATHS: &str = "\
The path of a key begins with / and has at most 63 bytes. The bytes A-Z a-z 0-9 - _ / . : @ are \
permitted. A value has at most 3071 bytes and contains no NUL.";
const BARE_DEVICE: &str = "The device has no partition table and no file system, so that the kernel parses nothing \
                           on it. The device contains a header with the length and the digests, the receiver's answer, and \
                           a qfile stream.";
const BEFORE_WRITING: &str = "All files are checked before the first byte is written. Files that a reader would \
                              refuse, and files that do not fit, are listed. If the device is removed early or the \
                              copy is cancelled, the device is marked as not complete, and nothing is received from \
                              it. A block device that is mounted or in use, and a file that another program has \
                              locked, are refused.";
const AFTER_READING: &str = "\
qfile-unpacker(8) unpacks the stream, and is isolated in the same way as for qubes.Filecopy. The whole \
stream is read to check its digests, even if a file is refused. The answer is then written to the \
device, if the device can be written. SHA-256 detects damage. It does not prove who wrote the device.";
const COPYING: &str = "\
No file is overwritten in the other qube. If a name already exists there, the copy ends. Files \
that have already arrived are not deleted.";
const SHOWING_CHANGES: &str = "\
With --diff, the lines that changed are shown on the terminal, or with --gui or without a terminal in \
a window, before the edit replaces FILE. Text in every script is shown as it is. A character that \
cannot be seen, or that looks like another, is shown as bash writes it, such as \\x1b or \\u202e, and so \
are a tab (\\t), a backslash (\\\\) and a blank at the end of a line (\\x20). So lines that differ never \
look alike, unless they have more than 2000 characters. A file that is not a text, or has more than 4 MiB, is not \
compared; its sizes are shown. If you do not answer yes, or cannot be asked, FILE stays as it is, \
the edit is saved as FILE.edited-in-disposable, or FILE.edited-in-QUBE if QUBE was named, and the \
exit status is 1.";
const NAME_THERE: &str = "\
In the other qube, the name of FILE has only letters and digits of scripts that need no shaping, and \
the characters . _ - + and @. Each other character is _ there. With --verbose, the message names the \
file as it is called there. The edit comes back under the name that FILE has in this qube.";
const NAMES_IN_MESSAGES: &str = "\
Names of files are in quotes in messages. A name that can be read in its own script is shown as it \
is. If it contains a character that cannot be seen, or could be taken for another name, it is shown \
as bash writes it, for example $'a\\tb'. Of two spellings that look alike, the rarer one is shown in \
this way. If LC_ALL, LC_CTYPE or LANG sets a locale that is not UTF-8, such as C, each byte beyond \
ASCII is shown as \\xXX. Both forms can be pasted into bash.";
const EXCLUDING: &str = "\
A pattern of --exclude without a slash is compared with the name of each file, folder and link, also \
with that of FILE. A pattern with a slash is compared with the path below FILE. A slash at the end \
restricts a pattern to folders. * and ? match everything except a slash, ** also matches slashes, \
and [...] and {a,b} are as in a shell. A letter with an accent matches whether it is one \
character or two. What is in an excluded folder is not looked at. The number of excluded entries \
is printed, --dry-run with --verbose or --json lists them, and the exit status stays 0. A pattern \
that leaves nothing out is named on stderr. A move lists them, does not delete them \
or the folders that contain them, and its exit status is 3.";
const SEVERAL_TARGETS: &str = "\
With several --to options, the files are sent to one qube after the other. A line for each qube \
says what became of the copy, and the exit status is the worst of all: 1, then 126, 32, 3 and 0. A \
move deletes a file only if every qube has confirmed it in the same state, and deletes nothing if one \
of the copies failed. If some of the qubes did not confirm the files, the last message gives the \
command that sends only to those. After a move of which another qube did not get all files, this \
command copies. If a call to several qubes stops, it cannot be continued with --continue.";
const FOR_SCRIPTS: &str = "\
With --json, each line on stdout is a JSON object. A line with the key path or path_base64 is about \
one entry. path is its path in this qube, as it was typed, also with --as; if stdin is sent, it is NAME. \
path_base64 contains a path that is not UTF-8. status is sent, changed (it changed \
while it was sent), left-out or, with --dry-run, to-send or excluded. The last line for each qube has the keys \
target, status (the exit status) and result: complete, partial, failed, usage, cancelled or refused. \
Entries that were sent have arrived only if the result is complete or partial. If the command line is \
wrong, no line is written.";
const GOING_ON: &str = "\
If a copy stops because of an error in the other qube or because it is cancelled, --continue \
sends the rest, if the message says so. In this case the other qube has reported the entry at \
which it stopped, and the entries before it have arrived. An entry that has changed since then is \
left out and listed. If dom0 asks for the target qube, choose the same qube again, because this \
qube does not know which one it was. Only the last call that stopped can be continued.";
const GOING_ON_WITH_A_MOVE: &str = "\
If a move stops, --continue sends the rest, if the message says so. Files that \
arrived in the call that stopped were not confirmed to be on disk, and their checksum was not \
compared. They are not deleted, and are listed. If the owner of the other qube has set \
ON_CONFLICT=skip-identical, move them again without --continue: files that already exist there \
are compared, confirmed, and deleted in this qube. If a move was cancelled after it was confirmed \
and before all files were deleted, --continue deletes the rest.";
const WITHOUT_A_LENGTH: &str = "\
If the system does not know the length of a file, as for files of /proc and /sys, the file is \
read into a temporary file before it is sent. Such a file can have at most 256 MiB.";
