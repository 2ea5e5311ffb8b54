//! The codes that a verdict carries, by their numbers on the wire: the tests share no table with the
//! programs that they test.

/// Something on the way is not there.
pub const ENOENT: u32 = 2;
/// The receiver has too little memory.
pub const ENOMEM: u32 = 12;
/// A file or link of that name is there.
pub const EEXIST: u32 = 17;
/// Something on the way is no folder.
pub const ENOTDIR: u32 = 20;
/// A type, length or time that the format does not have.
pub const EINVAL: u32 = 22;
/// The disk is full.
pub const ENOSPC: u32 = 28;
/// A name, component or target is too long.
pub const ENAMETOOLONG: u32 = 36;
/// A link could lead out of its top-level folder.
pub const ENOLINK: u32 = 67;
/// A name or target is not allowed.
pub const EILSEQ: u32 = 84;
/// The stream ended without an end header.
pub const EREMOTEIO: u32 = 121;
/// A limit on bytes or files is reached.
pub const EDQUOT: u32 = 122;
/// The stream ended inside an entry.
pub const LEGAL_EOF: u32 = 31_415_926;
