//! A compact encoding of tables for files: numbers in LEB128, bytes as they are.
//!
//! Decoding is total: every input is either decoded or [`Malformed`], whatever it says no more
//! memory is allocated than a small multiple of its length, and nothing panics.

/// The input is not what was encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed at byte {at}: {what}")]
pub struct Malformed {
    /// The position in the input, in bytes.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// Writes an encoding.
#[derive(Debug, Default)]
pub struct Encoder(pub Vec<u8>);

impl Encoder {
    /// Writes a number: one byte for each seven bits.
    pub fn number(&mut self, number: impl Into<u64>) {
        let mut rest = number.into();
        while rest >= 0x80 {
            self.0.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.0.push(rest as u8);
    }

    /// Writes a signed number; those near 0 are short.
    pub fn signed(&mut self, number: i32) {
        let number = i64::from(number);
        self.number(((number << 1) ^ (number >> 63)) as u32);
    }

    /// Writes a number of entries.
    pub fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    /// Writes one byte.
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// Writes bytes as they are; who reads them must know how many they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Writes bytes, and before them how many they are.
    pub fn sized(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }
}

/// Reads an encoding.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'a> {
    /// Reads these bytes from their start.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The error that something is wrong here.
    pub fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { at: self.at, what }
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Reads so many bytes.
    ///
    /// # Errors
    ///
    /// If there are fewer.
    pub fn raw(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let rest = &self.bytes[self.at..];
        let bytes = rest.get(..len).ok_or(self.malformed("it ends too early"))?;
        self.at += len;
        Ok(bytes)
    }

    /// Reads what [`Encoder::sized`] wrote.
    ///
    /// # Errors
    ///
    /// If it is not that.
    pub fn sized(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.count(1)?;
        self.raw(len)
    }

    /// Reads one byte.
    ///
    /// # Errors
    ///
    /// If none is left.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.raw(1)?[0])
    }

    /// Reads a number of 64 bits.
    ///
    /// # Errors
    ///
    /// If it is longer, or ends too early.
    pub fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.malformed("a number of more than 64 bits"))
    }

    /// Reads a number of 32 bits.
    ///
    /// # Errors
    ///
    /// As [`number`](Self::number), or if it has more bits.
    pub fn number_u32(&mut self) -> Result<u32, Malformed> {
        let number = self.number()?;
        u32::try_from(number).map_err(|_| self.malformed("a number of more than 32 bits"))
    }

    /// Reads what [`Encoder::signed`] wrote.
    ///
    /// # Errors
    ///
    /// As [`number_u32`](Self::number_u32).
    pub fn signed(&mut self) -> Result<i32, Malformed> {
        let number = self.number_u32()?;
        Ok((number >> 1) as i32 ^ -((number & 1) as i32))
    }

    /// Reads a number of entries, each of which takes at least so many bytes.
    ///
    /// # Errors
    ///
    /// If the rest of the input is too short for them.
    pub fn count(&mut self, bytes_each: usize) -> Result<usize, Malformed> {
        let count = self.number()?;
        let most = self.left() / bytes_each.max(1);
        match usize::try_from(count) {
            Ok(count) if count <= most => Ok(count),
            _ => Err(self.malformed("more entries than bytes are left for")),
        }
    }

    /// Checks that everything has been read.
    ///
    /// # Errors
    ///
    /// If something is left.
    pub fn finish(self) -> Result<(), Malformed> {
        match self.left() {
            0 => Ok(()),
            _ => Err(self.malformed("something follows its end")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX];
        let signed = [0, -1, 1, 63, -64, 64, i32::MIN, i32::MAX];
        let mut encoder = Encoder::default();
        numbers.iter().for_each(|&number| encoder.number(number));
        signed.iter().for_each(|&number| encoder.signed(number));
        encoder.sized(b"abc");
        let bytes = encoder.0;
        let mut decoder = Decoder::new(&bytes);
        for number in numbers {
            assert_eq!(decoder.number(), Ok(number));
        }
        for number in signed {
            assert_eq!(decoder.signed(), Ok(number));
        }
        assert_eq!(decoder.sized(), Ok(&b"abc"[..]));
        decoder.finish().unwrap();
    }

    #[test]
    fn what_was_not_written_is_refused() {
        let decoder = |bytes| Decoder::new(bytes);
        assert!(decoder(b"").byte().is_err());
        assert!(decoder(&[0x80; 3]).number().is_err());
        assert!(decoder(&[0xff; 11]).number().is_err());
        let two_to_the_64: &[u8] = &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2];
        assert!(decoder(two_to_the_64).number().is_err());
        assert!(
            decoder(&[0x80, 0x80, 0x80, 0x80, 0x10])
                .number_u32()
                .is_err()
        );
        assert_eq!(decoder(&[5, 1, 2]).count(1).unwrap_err().at, 1);
        assert_eq!(decoder(&[2, 1, 2]).count(1), Ok(2));
        assert!(decoder(&[2, 1, 2]).count(2).is_err());
        assert!(decoder(&[3, 1, 2]).sized().is_err());
        assert!(decoder(&[0]).finish().is_err());
    }
}
