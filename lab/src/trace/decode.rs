//! From bytes to traces.

use sha2::{Digest, Sha256};

use super::check::{self, Invalid};
use super::{Cost, Count, Counting, Function, Header, Level, Loop, MAGIC, Slice, Trace, VERSION};

/// Why bytes are no trace, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}, in {part}: {fault}")]
pub struct ReadError {
    /// The byte at which reading ended, counted from 0.
    pub offset: usize,
    /// The part of the file, such as `slice 17`.
    pub part: String,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file does not begin as a trace does.
    #[error("not a trace")]
    Magic,
    /// The file is of another version of the format.
    #[error("version {0} of the format; this program reads version {VERSION}")]
    Version(u32),
    /// The file ends too early.
    #[error("the file is cut")]
    Truncated,
    /// The file goes on behind its checksum.
    #[error("{0} bytes too many")]
    TooLong(usize),
    /// The checksum is not that of the bytes.
    #[error("the checksum does not fit: the file was changed")]
    Checksum,
    /// A list or text is said to be longer than what is left of the file.
    #[error("a length of {0}, which is more than the file has")]
    Length(u64),
    /// A number does not fit its field.
    #[error("a number that is too large")]
    Number,
    /// A byte stands for nothing.
    #[error("an unknown value {0}")]
    Value(u8),
    /// A text is not UTF-8.
    #[error("a text that is not UTF-8")]
    Utf8,
    /// The trace breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

type Read<T> = Result<T, Fault>;

/// Reads a whole file.
pub(super) fn trace(bytes: &[u8]) -> Result<Trace, ReadError> {
    let mut reader = Reader {
        bytes,
        at: 0,
        part: Part::Start,
    };
    reader.trace().map_err(|fault| ReadError {
        offset: reader.at,
        part: match reader.part {
            Part::Start => "the start".into(),
            Part::Header => "the header".into(),
            Part::Function(number) => format!("function {number}"),
            Part::Slice(number) => format!("slice {number}"),
            Part::End => "the end".into(),
        },
        fault,
    })
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    part: Part,
}

/// The part of the file that is being read. Functions and slices are counted from 0.
#[derive(Clone, Copy)]
enum Part {
    Start,
    Header,
    Function(usize),
    Slice(usize),
    End,
}

impl<'a> Reader<'a> {
    fn trace(&mut self) -> Read<Trace> {
        if self.take(MAGIC.len())? != MAGIC {
            return Err(Fault::Magic);
        }
        let version = u32::from_le_bytes(self.array()?);
        if version != VERSION {
            return Err(Fault::Version(version));
        }
        self.part = Part::Header;
        let header = self.header()?;
        check::header(&header)?;
        self.part = Part::Function(0);
        let functions = self.functions(header.levels.len())?;
        self.part = Part::Slice(0);
        let slices = self.slices(&functions)?;
        self.part = Part::End;
        let complete = match self.byte()? {
            0 => false,
            1 => true,
            value => return Err(Fault::Value(value)),
        };
        let digest = Sha256::digest(&self.bytes[..self.at]);
        if self.take(digest.len())? != &digest[..] {
            return Err(Fault::Checksum);
        }
        match self.bytes.len() - self.at {
            0 => {}
            more => return Err(Fault::TooLong(more)),
        }
        Ok(Trace {
            header,
            functions,
            slices,
            complete,
        })
    }

    fn header(&mut self) -> Read<Header> {
        Ok(Header {
            program: self.text()?,
            arguments: self.list(1, Self::text)?,
            module: self.array()?,
            settings: self.text()?,
            seed: self.number()?,
            machine: self.text()?,
            module_bytes: self.number()?,
            module_funcs: self.small()?,
            slowdown: self.list(8, Self::real)?,
            ask_ns: self.real()?,
            levels: self.list(2, Self::level)?,
        })
    }

    fn level(&mut self) -> Read<Level> {
        let name = self.text()?;
        let counting = match self.byte()? {
            0 => Counting::Silent,
            1 => Counting::Counts,
            2 => Counting::Calls,
            value => return Err(Fault::Value(value)),
        };
        Ok(Level { name, counting })
    }

    fn functions(&mut self, levels: usize) -> Read<Vec<Function>> {
        let mut before = None;
        // Index, length of the name, bytes, number of loops, the lasting part, whether there is an
        // OSR part; for each level two times and a length.
        self.list(13 + 17 * levels, |reader| {
            let function = reader.function(levels)?;
            check::function(&function, before, levels)?;
            before = Some(function.index);
            if let Part::Function(number) = &mut reader.part {
                *number += 1;
            }
            Ok(function)
        })
    }

    fn function(&mut self, levels: usize) -> Read<Function> {
        let (index, name) = (self.small()?, self.text()?);
        let body_bytes = self.small()?;
        let loops = self.list(2, |reader| {
            Ok(Loop {
                offset: reader.small()?,
                depth: reader.small()?,
            })
        })?;
        let lasting = self.real()?;
        let osr_part = match self.list(8, Self::real)?[..] {
            [] => None,
            [part] => Some(part),
            _ => return Err(Fault::Number),
        };
        let sites = loops.len() + 1;
        let costs = (0..levels).map(|_| self.cost(sites)).collect::<Read<_>>()?;
        Ok(Function {
            index,
            name,
            body_bytes,
            loops,
            lasting,
            osr_part,
            costs,
        })
    }

    fn cost(&mut self, sites: usize) -> Read<Cost> {
        Ok(Cost {
            compile_ns: self.real()?,
            code_bytes: self.small()?,
            unit_ns: (0..sites).map(|_| self.real()).collect::<Read<_>>()?,
        })
    }

    fn slices(&mut self, functions: &[Function]) -> Read<Vec<Slice>> {
        let mut before = 0;
        self.list(4, |reader| {
            let slice = reader.slice(before)?;
            check::slice(&slice, before, functions)?;
            before = slice.to;
            if let Part::Slice(number) = &mut reader.part {
                *number += 1;
            }
            Ok(slice)
        })
    }

    fn slice(&mut self, before: u64) -> Read<Slice> {
        let from = before.checked_add(self.number()?).ok_or(Fault::Number)?;
        let to = from.checked_add(self.number()?).ok_or(Fault::Number)?;
        let host_ns = self.number()?;
        let mut function = 0_u32;
        let counts = self.list(3, |reader| {
            function = function.checked_add(reader.small()?).ok_or(Fault::Number)?;
            Ok(Count {
                function,
                site: reader.small()?,
                units: reader.number()?,
            })
        })?;
        Ok(Slice {
            from,
            to,
            host_ns,
            counts,
        })
    }

    fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        let end = self
            .at
            .checked_add(length)
            .filter(|&end| end <= self.bytes.len());
        let end = end.ok_or(Fault::Truncated)?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| Fault::Truncated)
    }

    fn byte(&mut self) -> Read<u8> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn number(&mut self) -> Read<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if bits << shift >> shift != bits {
                return Err(Fault::Number);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Fault::Number)
    }

    fn small(&mut self) -> Read<u32> {
        u32::try_from(self.number()?).map_err(|_| Fault::Number)
    }

    fn real(&mut self) -> Read<f64> {
        self.array().map(f64::from_le_bytes)
    }

    /// A length, of which each takes at least `bytes` bytes of the file.
    fn length(&mut self, bytes: usize) -> Read<usize> {
        let length = self.number()?;
        let most = (self.bytes.len() - self.at) / bytes;
        let fits = usize::try_from(length)
            .ok()
            .filter(|&length| length <= most);
        fits.ok_or(Fault::Length(length))
    }

    fn text(&mut self) -> Read<String> {
        let length = self.length(1)?;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| Fault::Utf8)?;
        Ok(text.to_owned())
    }

    /// A list, each of whose items takes at least `bytes` bytes of the file.
    fn list<T>(
        &mut self,
        bytes: usize,
        mut item: impl FnMut(&mut Self) -> Read<T>,
    ) -> Read<Vec<T>> {
        let length = self.length(bytes)?;
        (0..length).map(|_| item(self)).collect()
    }
}
