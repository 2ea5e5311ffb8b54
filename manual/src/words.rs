//! What the manual pages say beyond the definitions of the command lines.

/// A name and what it means; for an example, a command and what it is for.
pub type Row = (&'static str, &'static str);

/// The sections of a page that are written, not generated.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Paragraphs that end the description.
    pub more: &'static [&'static str],
    /// Variables that change what it does.
    pub environment: &'static [Row],
    /// Files and folders that it uses.
    pub files: &'static [Row],
    /// Command lines with what they are for.
    pub examples: &'static [Row],
    /// Other pages.
    pub see_also: &'static [&'static str],
}

const INCOMING: Row = (
    "~/QubesIncoming/QUBE/",
    "Where files from QUBE arrive, in the other qube",
);
const FILECOPY: Row = (
    "/etc/qubes-rpc/qubes.Filecopy",
    "The service that is called in the other qube",
);
const CLIENT: Row = (
    "QREXEC_CLIENT_VM",
    "An absolute path that takes the place of /usr/lib/qubes/qrexec-client-vm",
);
const DISPLAY: Row = (
    "DISPLAY, WAYLAND_DISPLAY",
    "With one of them set, windows can be shown; zenity or kdialog does it",
);
const DIALOGS: Row = (
    "QFILE_DIALOGS=kdialog, XDG_CURRENT_DESKTOP=KDE",
    "Show windows with kdialog where zenity is installed too",
);
const LIST_OF_SENT: Row = (
    "TMPDIR",
    "Where the list of what was sent waits until it is confirmed, in place of /var/tmp",
);
const LOG: Row = (
    "RUST_LOG",
    "What is told of single steps on stderr, such as debug; nothing if it is not set",
);

/// qvm-copy
pub const QVM_COPY: Words = Words {
    more: &[COPYING],
    environment: &[CLIENT, DISPLAY, DIALOGS],
    files: &[INCOMING, FILECOPY],
    examples: &[
        (
            "qvm-copy report.odt pictures/",
            "Copy a file and a folder to a qube that dom0 asks for:",
        ),
        (
            "qvm-copy --dry-run pictures/",
            "See what would be sent, and what the other qube would refuse:",
        ),
        (
            "qvm-copy -- -draft.txt",
            "Copy a file whose name starts with a dash:",
        ),
    ],
    see_also: &[
        "qvm-copy-to-vm(1)",
        "qvm-move(1)",
        "qvm-open-in-vm(1)",
        "qfile-agent(8)",
        "qfile-unpacker(8)",
    ],
};

/// qvm-copy-to-vm
pub const QVM_COPY_TO_VM: Words = Words {
    examples: &[
        (
            "qvm-copy-to-vm vault keys.gpg",
            "Copy a file to the qube vault:",
        ),
        (
            "qvm-copy-to-vm --without-progress --ignore-symlinks backup ~/src",
            "In a script, copy a folder without the symbolic links in it:",
        ),
    ],
    see_also: &[
        "qvm-copy(1)",
        "qvm-move-to-vm(1)",
        "qfile-agent(8)",
        "qfile-unpacker(8)",
    ],
    ..QVM_COPY
};

/// qvm-move
pub const QVM_MOVE: Words = Words {
    more: &[],
    environment: &[CLIENT, LIST_OF_SENT, DISPLAY, DIALOGS],
    examples: &[
        (
            "qvm-move report.odt pictures/",
            "Move a file and a folder to a qube that dom0 asks for:",
        ),
        (
            "qvm-move --dry-run pictures/",
            "See what would be sent, and what the other qube would refuse:",
        ),
    ],
    see_also: &[
        "qvm-copy(1)",
        "qvm-move-to-vm(1)",
        "qfile-agent(8)",
        "qfile-unpacker(8)",
    ],
    ..QVM_COPY
};

/// qvm-move-to-vm
pub const QVM_MOVE_TO_VM: Words = Words {
    examples: &[(
        "qvm-move-to-vm vault keys.gpg",
        "Move a file to the qube vault:",
    )],
    see_also: &[
        "qvm-move(1)",
        "qvm-copy-to-vm(1)",
        "qfile-agent(8)",
        "qfile-unpacker(8)",
    ],
    ..QVM_MOVE
};

const IN_DISPOSABLE: Row = (
    "QREXEC_SERVICE_FULL_NAME",
    "Set by qrexec in a disposable that was opened for a file or an address; there it asks before it opens another",
);
const EDITED: Row = (
    "FILE.edited-in-disposable",
    "An edit that came back after the file had been changed here too",
);
const INCOMPLETE: Row = (
    "FILE.incomplete-from-disposable",
    "What came of an edit before the connection broke",
);
const ELSEWHERE: Row = (
    "/tmp/",
    "Takes what comes back, under a name such as these, where the folder of the file cannot be written",
);

/// qvm-open-in-vm
pub const QVM_OPEN_IN_VM: Words = Words {
    more: &[],
    environment: &[CLIENT, IN_DISPOSABLE, DISPLAY, DIALOGS, LOG],
    files: &[
        (
            "FILE~",
            "What a file contained before, kept where its new content is much shorter; numbered when taken",
        ),
        EDITED,
        INCOMPLETE,
        ELSEWHERE,
        (
            "/etc/qubes-rpc/qubes.OpenInVM, /etc/qubes-rpc/qubes.OpenURL",
            "The services that are called in the other qube",
        ),
    ],
    examples: &[
        (
            "qvm-open-in-vm work letter.odt",
            "Edit a file in the qube work:",
        ),
        (
            "qvm-open-in-vm --view-only @default scan.pdf",
            "Only look at a file, in a qube that dom0 asks for:",
        ),
        (
            "qvm-open-in-vm personal https://www.qubes-os.org/",
            "Open an address in the qube personal:",
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
            "Only look at a file that may be hostile:",
        ),
    ],
    see_also: &["qvm-open-in-vm(1)", "qvm-copy(1)", "vm-file-editor(8)"],
    ..QVM_OPEN_IN_VM
};

/// qfile-agent
pub const QFILE_AGENT: Words = Words {
    more: &[],
    environment: &[
        (
            "TMPDIR",
            "Where what is meant for --manifest waits until it is confirmed, in place of /var/tmp",
        ),
        DISPLAY,
        DIALOGS,
    ],
    files: &[INCOMING, FILECOPY],
    examples: &[(
        "qrexec-client-vm vault qubes.Filecopy /usr/lib/qubes/qfile-agent -- report.odt",
        "Send a file without a look at its name beforehand:",
    )],
    see_also: &["qvm-copy(1)", "qfile-unpacker(8)", "qubes-fs-tree-check(8)"],
};

/// qfile-unpacker
pub const QFILE_UNPACKER: Words = Words {
    more: &[
        "The stream is read from stdin, and the verdict, which says what became of it, is written to stdout. The program is \
         set-uid root only to lock itself into the incoming folder before it reads the first byte: with a root of its own, \
         without capabilities, under Landlock and seccomp.",
        "A file appears under its name only when all of its content is there, and nothing is ever overwritten. Success is \
         confirmed only when everything is on disk.",
        "Options cannot be abbreviated; the last of two that contradict each other counts. The second form is that of older \
         callers: there BYTES may be missing, and is 1 then.",
        "What goes to stderr is seen by the calling qube, so it names no file and no folder of this one unless -v is given. \
         The owner of this qube finds more in its log.",
    ],
    environment: &[
        (
            "QREXEC_REMOTE_DOMAIN",
            "The qube that calls; set by qrexec, and needed unless DIR is given",
        ),
        (
            "HOME",
            "Counts only if the program is not set-uid and not run by root; else the password database says where the home is",
        ),
        (
            "UPDATES_MAX_BYTES, UPDATES_MAX_FILES",
            "Limits in place of those of --profile dom0; they count only if the program is not set-uid",
        ),
    ],
    files: &[
        (
            "/etc/qubes/filecopy.conf, /rw/config/filecopy.conf",
            "What the owner of this qube has set: lines of KEY=value; options on the command line count more",
        ),
        INCOMING_HERE,
        (
            "/etc/qubes-rpc/qubes.Filecopy",
            "The service that starts the program",
        ),
    ],
    examples: &[(
        "exec /usr/lib/qubes/qfile-unpacker --max-files=1000 --on-conflict=rename",
        "In a service of one's own, accept no more than 1000 files, and give new names to those that are there already:",
    )],
    see_also: &[
        "qvm-copy(1)",
        "qfile-agent(8)",
        "landlock(7)",
        "seccomp(2)",
        "errno(3)",
    ],
};

const INCOMING_HERE: Row = (
    "~/QubesIncoming/QUBE/",
    "Where files from QUBE arrive; created if it is missing",
);

/// qopen-in-vm
pub const QOPEN_IN_VM: Words = Words {
    more: &[],
    environment: &[LOG],
    files: &[
        (
            "FILE~",
            "What a file contained before, kept with each edit; numbered when taken",
        ),
        EDITED,
        INCOMPLETE,
        ELSEWHERE,
        (
            "/etc/qubes-rpc/qubes.OpenInVM",
            "The service that is called in the other qube",
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
        "The user has finished when the opener and everything that it started have ended, and no program has the file open or \
         was started with its name. If no such program is ever seen, a window waits for the user to say so.",
    ],
    environment: &[
        ("QREXEC_REMOTE_DOMAIN", "The qube that calls; set by qrexec"),
        (
            "VM_FILE_EDITOR_OPENER",
            "An absolute path of a program that opens the file in place of qubes-open and xdg-open",
        ),
        (
            "VM_FILE_EDITOR_LOOK_EVERY_MS, VM_FILE_EDITOR_SETTLING_MS, VM_FILE_EDITOR_TOO_QUICK_MS",
            "In milliseconds: the pause between two looks at who has the file (300), how long it may take until someone has it \
             when the opener has returned (3000), and in how short a time nobody can have read it (10000)",
        ),
        LOG,
        DISPLAY,
        DIALOGS,
    ],
    files: &[
        (
            "/tmp/QUBE-XXXXXX/",
            "Holds the file while it is open; removed at the end",
        ),
        (
            "/usr/bin/qubes-open",
            "Opens the file if it is installed; else xdg-open does",
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
    more: &["Nothing is sent. What stands in the way is listed on stderr."],
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
        "Each folder is announced once, before the first file in it, with that file's mode and times. A leading ./ of a name \
         is dropped.",
        "Nothing is guessed: an archive that is cut or damaged, a file that is stored without its holes, a name that no receiver \
         takes end the program with an error, and the receiver confirms nothing. Compressed archives are not read.",
        "With - for ARCHIVE, stdin is the archive and there is no verdict to be heard: the receiver's own status counts.",
    ],
    environment: &[],
    files: &[(
        "/etc/qubes-rpc/qubes.Restore",
        "The service that does the same for another qube",
    )],
    examples: &[
        (
            "qrexec-client-vm vault qubes.Filecopy /usr/lib/qubes/tar2qfile photos.tar",
            "Send the files of an archive to the qube vault, without unpacking it here:",
        ),
        (
            "qrexec-client-vm vault qubes.Filecopy /usr/lib/qubes/tar2qfile photos.tar 2024/ 2025/",
            "Send some of them:",
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
    more: &[
        "A line that is the path of something that is there is taken for that path, with blanks and all; else it is a \
         command. A command that fails, even at its very end, fails the restore.",
    ],
    environment: &[],
    files: &[(
        "/etc/qubes-rpc/qubes.Restore",
        "The service that starts the program",
    )],
    examples: &[
        (
            r#"qrexec-client-vm vault qubes.Restore /bin/sh -c 'echo photos.tar; echo 2024/; exec /usr/lib/qubes/qfile-unpacker "" restored'"#,
            "Of an archive in the qube vault, put what begins with 2024/ into the folder restored here:",
        ),
        (
            r#"qrexec-client-vm vault qubes.Restore /bin/sh -c 'echo gzip -dc photos.tar.gz; echo; exec /usr/lib/qubes/qfile-unpacker "" restored'"#,
            "Have a command there unpack the archive, and take all of it:",
        ),
    ],
    see_also: &["tar2qfile(8)", "qubes-backup(8)", "qfile-unpacker(8)"],
};

/// qubes-backup
pub const QUBES_BACKUP: Words = Words {
    more: &[
        "The end of stdin does not say whether the backup is whole: a caller that was interrupted leaves it too. So all of \
         it is followed as it passes, and it counts as whole only if it ends as a tar archive does, or as several, one \
         after the other. A command gets killed before it reads the end of a backup that is not whole.",
    ],
    environment: &[],
    files: &[
        (
            "FOLDER/qubes-backup-YYYY-MM-DDTHHMMSS",
            "A whole backup, with the local time of its beginning; -2, -3 and so on are added where that is there already",
        ),
        (
            "FOLDER/qubes-backup-YYYY-MM-DDTHHMMSS.incomplete",
            "One that is arriving, or that was interrupted",
        ),
        (
            "/etc/qubes-rpc/qubes.Backup",
            "The service that starts the program",
        ),
    ],
    examples: &[
        (
            "(echo backups; cat photos.tar) | qrexec-client-vm vault qubes.Backup",
            "Have an archive kept in the folder backups of the qube vault:",
        ),
        (
            r#"(echo "sh -c 'gzip >photos.tar.gz'"; cat photos.tar) | qrexec-client-vm vault qubes.Backup"#,
            "Have a command there take it; here a shell, for the sake of the >:",
        ),
    ],
    see_also: &["qubes-restore(8)", "tar(1)"],
};

const COPYING: &str = "\
Nothing is overwritten in the other qube: a name that is there already ends the copy. What had arrived \
complete stays there.";
