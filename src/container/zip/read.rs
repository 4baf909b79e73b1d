//! Reads an archive from its first byte to its last.

use super::{DEFLATED, DESCRIPTOR, END, END_64, ENTRY, FLAG_DESCRIPTOR, FLAG_UTF_8, LOCAL, LOCATOR_64, STORED};
use crate::coding::Guard;
use crate::container::names::{Members, NAME_BYTES_MAX, Names};
use crate::container::{Parts, damaged, of_container, skip_rest};
use flate2::{Crc, Decompress, FlushDecompress, Status};
use portolan_contract::{Charset, FormatCode, FormatError, Limits, Position, TextInput};
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};

/// Bytes read from the body at a time.
const BUFFER_BYTES: usize = 32 * 1024;
/// Encryption (bit 0), patched data (5), strong encryption (6) and a masked directory (13).
const FLAGS_ENCRYPTED: u16 = 1 | 1 << 5 | 1 << 6 | 1 << 13;
/// The extra field that holds sizes of 64 bits.
const EXTRA_ZIP64: u16 = 1;
/// A 32-bit field whose value stands in the zip64 extra field.
const IN_ZIP64: u32 = u32::MAX;
/// An archive that is cut into segments begins so; the second marks one that had room after all.
const SPANNED: [u32; 2] = [DESCRIPTOR, 0x3030_4B50];

/// An archive that is being read.
pub(in crate::container) struct Archive<'a> {
    input: Input<'a>,
    names: Names<'a>,
    charset: Charset,
    guard: Guard,
    member: Option<Member>,
    /// What the local headers said, by name; the directory must say the same of each.
    local: HashMap<Vec<u8>, Local>,
    over: bool,
}

/// What is known of a member that has been read.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Local {
    offset: u64,
    method: u16,
    crc: u32,
    packed_bytes: u64,
    bytes: u64,
}

/// The member that is being read.
struct Member {
    name: String,
    raw_name: Vec<u8>,
    local: Local,
    /// Sizes and CRC follow, in 8 bytes each where the flag is set.
    descriptor: Option<bool>,
    inflate: Option<Decompress>,
    crc: Crc,
    packed_bytes: u64,
    bytes: u64,
    ended: bool,
}

impl<'a> Archive<'a> {
    pub(in crate::container) fn new(input: Box<dyn Read + 'a>, members: &'a Members, charset: Charset, limits: &Limits) -> Self {
        Self {
            input: Input { source: BufReader::with_capacity(BUFFER_BYTES, input), offset: 0 },
            names: Names::new(members, limits.members_max),
            charset,
            guard: Guard::new(limits.expanded_bytes_max, limits.expansion_ratio_max),
            member: None,
            local: HashMap::new(),
            over: false,
        }
    }

    /// Reads a local header after its signature; whether the member is to be read.
    fn header(&mut self, offset: u64) -> Result<bool, FormatError> {
        let [_version, flags, method, _time, _date] = self.input.shorts()?;
        let [crc, packed_bytes, bytes] = self.input.words()?;
        let [name_bytes, extra_bytes] = self.input.shorts()?;
        let raw_name = self.input.name(name_bytes)?;
        let extra = self.input.bytes(extra_bytes.into())?;
        let name = self.name(&raw_name, flags, offset)?;
        supported(&name, flags, method, offset)?;
        let wanted = self.names.take(&name, offset)?;
        let zip64 = zip64_sizes(&extra);
        let size = |field: u32, at: usize| match (field, &zip64) {
            (IN_ZIP64, Some(sizes)) => sizes.get(at).copied().unwrap_or(IN_ZIP64.into()),
            _ => field.into(),
        };
        let descriptor = (flags & FLAG_DESCRIPTOR != 0).then_some(zip64.is_some());
        if descriptor.is_some() && method == STORED && !name.ends_with('/') {
            return Err(unsupported(
                offset,
                format!("成员 {name:?} 未压缩且长度写在数据之后，无法判断其结尾"),
                format!("the member {name:?} is stored and its length follows it, so that nobody can tell where it ends"),
            ));
        }
        let local = Local { offset, method, crc, packed_bytes: size(packed_bytes, 1), bytes: size(bytes, 0) };
        self.member = Some(Member {
            name,
            raw_name,
            local,
            descriptor,
            inflate: (method == DEFLATED).then(|| Decompress::new(false)),
            crc: Crc::new(),
            packed_bytes: 0,
            bytes: 0,
            ended: false,
        });
        Ok(wanted)
    }

    /// A name by the flag that says UTF-8, else in the mapping's charset.
    fn name(&self, raw: &[u8], flags: u16, offset: u64) -> Result<String, FormatError> {
        let charset = if flags & FLAG_UTF_8 != 0 { Charset::Utf8 } else { self.charset };
        let mut name = String::new();
        // A name that begins like a byte order mark or UTF-16 is none that anyone gives.
        let mut text = TextInput::new(Box::new(raw), charset, NAME_BYTES_MAX + 1)?;
        if text.charset() == charset && text.read_to_string(&mut name).is_ok() {
            return Ok(name);
        }
        let label = charset.label();
        Err(of_container(
            FormatCode::MemberName,
            offset,
            format!("成员名不是 {label} 文本；如为其他字符集，请在映射中用 names 说明"),
            format!("a member's name is no text in {label}; if it is in another charset, the mapping says so with names"),
        ))
    }

    /// What came out of the member's data; none at its end, which has then been checked.
    fn data(&mut self, out: &mut [u8]) -> Result<usize, io::Error> {
        let Some(member) = self.member.as_mut().filter(|m| !m.ended && !out.is_empty()) else { return Ok(0) };
        let got = match &mut member.inflate {
            None => {
                let left = member.local.packed_bytes.saturating_sub(member.packed_bytes);
                let room = out.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let read = self.input.read(&mut out[..room])?;
                if read == 0 && left > 0 {
                    return Err(self.input.cut().into());
                }
                member.packed_bytes += read as u64;
                member.ended = member.packed_bytes == member.local.packed_bytes;
                read
            }
            Some(inflate) => {
                let left = member.descriptor.is_none().then(|| member.local.packed_bytes.saturating_sub(member.packed_bytes));
                let (read, taken, ended) = inflated(&mut self.input, inflate, left, out, &member.name)?;
                member.packed_bytes += taken;
                member.ended = ended;
                read
            }
        };
        member.crc.update(&out[..got]);
        member.bytes += got as u64;
        self.guard.count(got, self.input.offset)?;
        if member.descriptor.is_none() && member.bytes > member.local.bytes {
            return Err(lying(&member.name, member.local.offset).into());
        }
        if member.ended {
            self.end_member()?;
        }
        Ok(got)
    }

    /// Compares what a member was with what it is said to be.
    fn end_member(&mut self) -> Result<(), FormatError> {
        let Some(member) = &mut self.member else { return Ok(()) };
        if let Some(wide) = member.descriptor {
            let [mut crc] = self.input.words()?;
            if crc == DESCRIPTOR {
                [crc] = self.input.words()?;
            }
            (member.local.packed_bytes, member.local.bytes) = match wide {
                true => self.input.longs()?.into(),
                false => {
                    let [packed_bytes, bytes] = self.input.words()?;
                    (packed_bytes.into(), bytes.into())
                }
            };
            member.local.crc = crc;
        }
        let (name, offset) = (&member.name, member.local.offset);
        if (member.packed_bytes, member.bytes) != (member.local.packed_bytes, member.local.bytes) {
            return Err(lying(name, offset));
        }
        if member.crc.sum() != member.local.crc {
            return Err(damaged(
                offset,
                format!("成员 {name:?} 的 CRC-32 不符，内容已损坏"),
                format!("the CRC-32 of the member {name:?} does not match: its content is damaged"),
            ));
        }
        self.local.insert(std::mem::take(&mut member.raw_name), member.local);
        Ok(())
    }

    /// Reads the directory, whose first signature has been read, to the end of the body.
    fn directory(&mut self, first: u32) -> Result<(), FormatError> {
        let (start, mut signature) = (self.input.offset - 4, first);
        let mut entries = 0_u64;
        while signature == ENTRY {
            self.entry()?;
            entries += 1;
            signature = self.input.signature()?;
        }
        let directory_bytes = self.input.offset - 4 - start;
        let expected = [entries, directory_bytes, start];
        if let Some(name) = self.local.keys().next() {
            let name = String::from_utf8_lossy(name).into_owned();
            return Err(self.disagrees(&name));
        }
        let wide = signature == END_64;
        if wide {
            self.end_64(expected)?;
            signature = self.input.signature()?;
        }
        if signature != END {
            return Err(self.no_structure());
        }
        let [disk, directory_disk, here, in_all] = self.input.shorts()?;
        let is_first = |disk: u16| disk == 0 || wide && disk == u16::MAX;
        if !is_first(disk) || !is_first(directory_disk) {
            return Err(several_disks(self.input.offset));
        }
        let [bytes, offset] = self.input.words()?;
        let fits_short = |told: u16, count: u64| u64::from(told) == count || wide && told == u16::MAX;
        let fits = |told: u32, value: u64| u64::from(told) == value || wide && told == IN_ZIP64;
        let agree = fits_short(here, entries) && fits_short(in_all, entries) && fits(bytes, directory_bytes) && fits(offset, start);
        if !agree {
            return Err(self.no_structure());
        }
        let [comment_bytes] = self.input.shorts()?;
        self.input.bytes(comment_bytes.into())?;
        if !self.input.is_at_end()? {
            let (zh, en) = ("压缩包结束之后还有内容", "there is something after the end of the archive");
            return Err(damaged(self.input.offset, zh, en));
        }
        Ok(())
    }

    /// One entry of the directory, which must say what the local header said.
    fn entry(&mut self) -> Result<(), FormatError> {
        let [made_by, _needed, flags, method, _time, _date] = self.input.shorts()?;
        let [crc, packed_bytes, bytes] = self.input.words()?;
        let [name_bytes, extra_bytes, comment_bytes, disk, _internal] = self.input.shorts()?;
        let [attributes, offset] = self.input.words()?;
        let raw_name = self.input.name(name_bytes)?;
        let extra = self.input.bytes(extra_bytes.into())?;
        self.input.bytes(comment_bytes.into())?;
        // In the extra field stand those of size, packed size and offset that have no room, in this order.
        let mut wide = zip64_sizes(&extra).unwrap_or_default().into_iter();
        let mut full = |field: u32| if field == IN_ZIP64 { wide.next().unwrap_or(field.into()) } else { field.into() };
        let (bytes, packed_bytes, offset) = (full(bytes), full(packed_bytes), full(offset));
        let name = String::from_utf8_lossy(&raw_name).into_owned();
        if disk != 0 && disk != u16::MAX {
            return Err(several_disks(self.input.offset));
        }
        supported(&name, flags, method, offset)?;
        const UNIX: u16 = 3;
        const LINK: u32 = 0o120_000;
        if made_by >> 8 == UNIX && attributes >> 16 & 0o170_000 == LINK {
            return Err(unsupported(
                offset,
                format!("成员 {name:?} 是链接，不是文件"),
                format!("the member {name:?} is a link and no file"),
            ));
        }
        match self.local.remove(&raw_name) {
            Some(local) if local == (Local { offset, method, crc, packed_bytes, bytes }) => Ok(()),
            _ => Err(self.disagrees(&name)),
        }
    }

    /// The end of a zip64 directory, and what says where it stands.
    fn end_64(&mut self, expected: [u64; 3]) -> Result<(), FormatError> {
        let at = self.input.offset - 4;
        let [length] = self.input.longs()?;
        let [_made_by, _needed] = self.input.shorts()?;
        let [disk, directory_disk] = self.input.words()?;
        let [here, in_all, bytes, offset] = self.input.longs()?;
        let beyond = length.checked_sub(44).and_then(|b| usize::try_from(b).ok()).filter(|b| *b <= NAME_BYTES_MAX);
        let Some(beyond) = beyond else { return Err(self.no_structure()) };
        self.input.bytes(beyond)?;
        let signature = self.input.signature()?;
        let [locator_disk] = self.input.words()?;
        let [place] = self.input.longs()?;
        let [disks] = self.input.words()?;
        if disk != 0 || directory_disk != 0 || locator_disk != 0 || disks > 1 {
            return Err(several_disks(at));
        }
        if signature != LOCATOR_64 || place != at || here != in_all || [in_all, bytes, offset] != expected {
            return Err(self.no_structure());
        }
        Ok(())
    }

    fn disagrees(&self, name: &str) -> FormatError {
        damaged(
            self.input.offset,
            format!("压缩包目录与成员 {name:?} 不一致"),
            format!("the archive's directory and its members disagree about {name:?}"),
        )
    }

    fn no_structure(&self) -> FormatError {
        damaged(self.input.offset, "此处不是 zip 结构，或与前文不符", "this is no structure of a zip archive, or not what came before says")
    }
}

impl Parts for Archive<'_> {
    fn next(&mut self) -> Result<Option<String>, FormatError> {
        while !self.over {
            skip_rest(self)?;
            let offset = self.input.offset;
            match self.input.signature()? {
                LOCAL => {
                    let wanted = self.header(offset)?;
                    if self.member.as_ref().is_some_and(|m| m.inflate.is_none() && m.local.packed_bytes == 0) {
                        // Nothing is there to be read, and so nothing would come upon its end.
                        if let Some(member) = &mut self.member {
                            member.ended = true;
                        }
                        self.end_member()?;
                    }
                    if wanted {
                        return Ok(self.member.as_ref().map(|m| m.name.clone()));
                    }
                }
                signature @ (ENTRY | END | END_64) => {
                    self.directory(signature)?;
                    self.over = true;
                }
                signature if offset == 0 && SPANNED.contains(&signature) => return Err(several_disks(0)),
                _ => return Err(self.no_structure()),
            }
        }
        Ok(None)
    }

    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let got = self.data(out)?;
            if got > 0 || out.is_empty() || self.member.as_ref().is_none_or(|m| m.ended) {
                return Ok(got);
            }
        }
    }
}

/// Inflates some; gives bytes out, bytes in, and whether the stream has ended.
fn inflated(
    input: &mut Input<'_>,
    inflate: &mut Decompress,
    left: Option<u64>,
    out: &mut [u8],
    name: &str,
) -> Result<(usize, u64, bool), FormatError> {
    let at = input.offset;
    let available = input.source.fill_buf().map_err(|e| FormatError::from_io(e, Position::default()))?;
    let left = left.and_then(|left| usize::try_from(left).ok()).unwrap_or(usize::MAX);
    let available = &available[..available.len().min(left)];
    let (had, gave) = (inflate.total_in(), inflate.total_out());
    let status = inflate.decompress(available, out, FlushDecompress::None);
    let (taken, got) = (inflate.total_in() - had, inflate.total_out() - gave);
    let broken = || {
        let (zh, en) = (format!("成员 {name:?} 的压缩数据已损坏"), format!("the compressed data of the member {name:?} is damaged"));
        damaged(at + taken, zh, en)
    };
    let status = status.map_err(|_| broken())?;
    let stuck = taken == 0 && got == 0 && status != Status::StreamEnd;
    let is_empty = available.is_empty();
    input.consume(taken);
    match (stuck, is_empty) {
        (true, true) if left > 0 => Err(input.cut()),
        (true, _) => Err(broken()),
        (false, _) => Ok((usize::try_from(got).unwrap_or(out.len()), taken, status == Status::StreamEnd)),
    }
}

/// Refuses what cannot be read, by its name.
fn supported(name: &str, flags: u16, method: u16, offset: u64) -> Result<(), FormatError> {
    const AES: u16 = 99;
    if flags & FLAGS_ENCRYPTED != 0 || method == AES {
        return Err(unsupported(offset, format!("成员 {name:?} 已加密"), format!("the member {name:?} is encrypted")));
    }
    if !matches!(method, STORED | DEFLATED) {
        return Err(unsupported(
            offset,
            format!("成员 {name:?} 的压缩方法为 {method}；可用 0（未压缩）和 8（deflate）"),
            format!("the member {name:?} is compressed by method {method}; 0 (stored) and 8 (deflate) can be read"),
        ));
    }
    Ok(())
}

fn unsupported(at_byte: u64, zh: impl Into<String>, en: impl Into<String>) -> FormatError {
    of_container(FormatCode::ContainerUnsupported, at_byte, zh, en)
}

fn several_disks(at_byte: u64) -> FormatError {
    unsupported(at_byte, "不支持分卷压缩包", "an archive in several volumes is not supported")
}

fn lying(name: &str, offset: u64) -> FormatError {
    damaged(offset, format!("成员 {name:?} 的长度与所写不符"), format!("the member {name:?} is not as long as it says"))
}

/// The 64-bit numbers of the zip64 extra field; `None` without one.
fn zip64_sizes(extra: &[u8]) -> Option<Vec<u64>> {
    let mut rest = extra;
    while let [a, b, c, d, after @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*c, *d]));
        let field = after.get(..length)?;
        if u16::from_le_bytes([*a, *b]) == EXTRA_ZIP64 {
            return Some(field.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect());
        }
        rest = &after[length..];
    }
    None
}

/// The archive's bytes, counted.
struct Input<'a> {
    source: BufReader<Box<dyn Read + 'a>>,
    offset: u64,
}

impl Input<'_> {
    fn consume(&mut self, bytes: u64) {
        self.source.consume(usize::try_from(bytes).unwrap_or(usize::MAX));
        self.offset += bytes;
    }

    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(out)?;
        self.offset += read as u64;
        Ok(read)
    }

    fn exact(&mut self, out: &mut [u8]) -> Result<(), FormatError> {
        let read = self.source.read_exact(out).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => self.cut(),
            _ => FormatError::from_io(e, Position::default()),
        });
        self.offset += out.len() as u64;
        read
    }

    fn bytes(&mut self, count: usize) -> Result<Vec<u8>, FormatError> {
        let mut bytes = vec![0; count];
        self.exact(&mut bytes)?;
        Ok(bytes)
    }

    fn name(&mut self, bytes: u16) -> Result<Vec<u8>, FormatError> {
        let count = usize::from(bytes);
        if count > NAME_BYTES_MAX {
            return Err(of_container(
                FormatCode::MemberName,
                self.offset,
                format!("成员名超过 {NAME_BYTES_MAX} 字节"),
                format!("a member's name is longer than {NAME_BYTES_MAX} bytes"),
            ));
        }
        self.bytes(count)
    }

    fn signature(&mut self) -> Result<u32, FormatError> {
        self.words().map(|[signature]| signature)
    }

    fn shorts<const N: usize>(&mut self) -> Result<[u16; N], FormatError> {
        self.numbers(u16::from_le_bytes)
    }

    fn words<const N: usize>(&mut self) -> Result<[u32; N], FormatError> {
        self.numbers(u32::from_le_bytes)
    }

    fn longs<const N: usize>(&mut self) -> Result<[u64; N], FormatError> {
        self.numbers(u64::from_le_bytes)
    }

    fn numbers<T: Copy + Default, const BYTES: usize, const N: usize>(&mut self, of: fn([u8; BYTES]) -> T) -> Result<[T; N], FormatError> {
        let mut numbers = [T::default(); N];
        for number in &mut numbers {
            let mut bytes = [0; BYTES];
            self.exact(&mut bytes)?;
            *number = of(bytes);
        }
        Ok(numbers)
    }

    fn is_at_end(&mut self) -> Result<bool, FormatError> {
        self.source.fill_buf().map(<[u8]>::is_empty).map_err(|e| FormatError::from_io(e, Position::default()))
    }

    fn cut(&self) -> FormatError {
        damaged(self.offset, "压缩包在此中断", "the archive breaks off here")
    }
}
