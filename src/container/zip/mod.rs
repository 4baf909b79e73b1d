//! Zip archives (PKWARE APPNOTE 6.3.10), read and written as a stream.
//!
//! Members are read in the order in which they stand, by their local headers; the directory at the
//! end must then tell the same of each: name, place, method, sizes and CRC-32. An archive that means
//! one thing to a reader of the front and another to a reader of the directory is refused, and so is
//! what hides between, before or after members.
//!
//! Methods 0 (stored) and 8 (deflate), data descriptors after deflated members, and zip64 are read.
//! Encryption, archives of several disks, links and other methods are refused by name. What is written
//! is one deflated member with a data descriptor, dated 1980-01-01, so that the same records give the
//! same bytes.

pub(super) mod read;
pub(super) mod write;

/// Begins a local header.
const LOCAL: u32 = 0x0403_4B50;
/// Begins a data descriptor, where it has a signature.
const DESCRIPTOR: u32 = 0x0807_4B50;
/// Begins an entry of the directory.
const ENTRY: u32 = 0x0201_4B50;
/// Begins the end of the directory.
const END: u32 = 0x0605_4B50;
/// Begins the end of a zip64 directory.
const END_64: u32 = 0x0606_4B50;
/// Begins what says where that stands.
const LOCATOR_64: u32 = 0x0706_4B50;
/// Sizes follow in a data descriptor.
const FLAG_DESCRIPTOR: u16 = 1 << 3;
/// The name is UTF-8.
const FLAG_UTF_8: u16 = 1 << 11;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
