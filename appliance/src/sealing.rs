//! Sealing: what is secret on a disk is encrypted and cannot be changed unseen. ChaCha20-Poly1305 and HKDF-SHA-256,
//! both from ring.
//!
//! A sealed stream (`genset-backup-1`) is the 16 bytes `genset-backup-1\n`, a salt of 32 bytes, and chunks of
//! 65,536 bytes of plain text (the last one may be shorter), each followed by its tag of 16 bytes. The key is
//! HKDF-SHA-256 of the backup key with that salt and the info `genset backup 1`; the nonce of a chunk is its number
//! in 11 bytes, big end first, and one byte that is 1 for the last chunk alone, so that a stream that was cut off,
//! put together anew or lengthened does not open.

use std::fmt;
use std::io::{self, Read, Write};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

const MAGIC: &[u8; 16] = b"genset-backup-1\n";
const SALT: usize = 32;
const CHUNK: usize = 65_536;
const TAG: usize = 16;
/// The beginning of a sealed line.
pub(crate) const SEALED: &str = "genset-sealed-1 ";

/// 256 bits that are wiped when dropped and never print.
#[derive(Clone)]
pub(crate) struct Key(Zeroizing<[u8; 32]>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// What was sealed does not open.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unopened {
    #[error("it is no sealed file of genset")]
    Foreign,
    #[error("the code or the key is another one, or the file was changed or cut off")]
    Refused,
    #[error(transparent)]
    Io(#[from] io::Error),
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl Key {
    pub(crate) fn random() -> io::Result<Key> {
        let mut key = Key(Zeroizing::new([0; 32]));
        SystemRandom::new().fill(key.0.as_mut_slice()).map_err(|_| no_random_bytes())?;
        Ok(key)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Key> {
        Some(Key(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// Another key, which this one and the two others name.
    pub(crate) fn derived(secret: &[u8], salt: &[u8], info: &str) -> Key {
        let mut key = Key(Zeroizing::new([0; 32]));
        let secret = Salt::new(HKDF_SHA256, salt).extract(secret);
        let info = [info.as_bytes()];
        let filled = secret.expand(&info, Length(32)).and_then(|okm| okm.fill(key.0.as_mut_slice()));
        filled.expect("32 bytes are within what HKDF gives");
        key
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    fn cipher(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, self.bytes()).expect("the key has 32 bytes"))
    }
}

fn no_random_bytes() -> io::Error {
    io::Error::other("the kernel gives no random bytes")
}

/// Seals a short secret for a purpose, as one line.
pub(crate) fn seal_line(key: &Key, purpose: &str, secret: &[u8]) -> io::Result<String> {
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).map_err(|_| no_random_bytes())?;
    let mut sealed = Zeroizing::new(secret.to_vec());
    let at = Nonce::assume_unique_for_key(nonce);
    let aad = Aad::from(purpose.as_bytes());
    key.cipher()
        .seal_in_place_append_tag(at, aad, &mut *sealed)
        .map_err(|_| io::Error::other("the secret is too long to be sealed"))?;
    Ok(format!("{SEALED}{}", hex(&[&nonce, sealed.as_slice()].concat())))
}

/// Opens what [`seal_line`] gave for the same purpose.
pub(crate) fn open_line(key: &Key, purpose: &str, line: &str) -> Result<Zeroizing<Vec<u8>>, Unopened> {
    let bytes = line.trim().strip_prefix(SEALED.trim_end()).and_then(|rest| unhex(rest.trim()));
    let bytes = bytes.filter(|bytes| bytes.len() >= NONCE_LEN + TAG).ok_or(Unopened::Foreign)?;
    let (nonce, sealed) = bytes.split_at(NONCE_LEN);
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unopened::Foreign)?;
    let mut secret = Zeroizing::new(sealed.to_vec());
    let aad = Aad::from(purpose.as_bytes());
    let length = key.cipher().open_in_place(nonce, aad, &mut secret).map_err(|_| Unopened::Refused)?.len();
    secret.truncate(length);
    Ok(secret)
}

/// Seals what is written to it; [`Sealer::finish`] writes the end, without which nothing opens.
pub(crate) struct Sealer<W> {
    out: W,
    cipher: LessSafeKey,
    chunk: Vec<u8>,
    number: u64,
    /// A chunk did not leave: after it nothing may, whoever still writes, or the stream would have a hole.
    broken: bool,
}

impl<W: Write> Sealer<W> {
    pub(crate) fn new(mut out: W, key: &Key) -> io::Result<Sealer<W>> {
        let mut salt = [0; SALT];
        SystemRandom::new().fill(&mut salt).map_err(|_| no_random_bytes())?;
        out.write_all(MAGIC)?;
        out.write_all(&salt)?;
        let (cipher, chunk) = (of_stream(key, &salt), Vec::with_capacity(CHUNK + TAG));
        Ok(Sealer { out, cipher, chunk, number: 0, broken: false })
    }

    /// Gives back what it wrote to.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        Ok(self.out)
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        self.check_whole()?;
        self.broken = true;
        let nonce = nonce(self.number, last);
        self.cipher
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut self.chunk)
            .map_err(|_| io::Error::other("a chunk could not be sealed"))?;
        self.out.write_all(&self.chunk)?;
        self.chunk.clear();
        self.number += 1;
        self.broken = false;
        Ok(())
    }

    fn check_whole(&self) -> io::Result<()> {
        if self.broken { Err(io::Error::other("the sealed stream is broken off")) } else { Ok(()) }
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check_whole()?;
        // A full chunk waits for the next byte: it may be the last one.
        if self.chunk.len() == CHUNK {
            self.seal(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads a sealed stream; gives no byte that was not proven, and an error in place of an end that was cut off.
pub(crate) struct Opener<R> {
    sealed: R,
    cipher: LessSafeKey,
    number: u64,
    chunk: Zeroizing<Vec<u8>>,
    given: usize,
    /// The byte after the chunk, which tells whether it is the last.
    ahead: Option<u8>,
    ended: bool,
}

impl<R: Read> Opener<R> {
    pub(crate) fn new(mut sealed: R, key: &Key) -> Result<Opener<R>, Unopened> {
        let (mut magic, mut salt) = ([0; MAGIC.len()], [0; SALT]);
        let read = sealed.read_exact(&mut magic).and_then(|()| sealed.read_exact(&mut salt));
        match read {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(Unopened::Foreign),
            read => read?,
        }
        if magic != *MAGIC {
            return Err(Unopened::Foreign);
        }
        let cipher = of_stream(key, &salt);
        let chunk = Zeroizing::new(Vec::new());
        let mut opener = Opener { sealed, cipher, number: 0, chunk, given: 0, ahead: None, ended: false };
        opener.ahead = opener.byte()?;
        opener.open_next().map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => Unopened::Refused,
            _ => Unopened::Io(error),
        })?;
        Ok(opener)
    }

    fn byte(&mut self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        Ok((self.sealed.by_ref().take(1).read(&mut byte)? == 1).then_some(byte[0]))
    }

    fn open_next(&mut self) -> io::Result<()> {
        self.chunk.clear();
        self.chunk.extend(self.ahead.take());
        let left = (CHUNK + TAG).saturating_sub(self.chunk.len()) as u64;
        self.sealed.by_ref().take(left).read_to_end(&mut self.chunk)?;
        self.ahead = self.byte()?;
        let nonce = nonce(self.number, self.ahead.is_none());
        let opened = self.cipher.open_in_place(nonce, Aad::empty(), &mut self.chunk);
        let length = opened.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, Unopened::Refused))?.len();
        self.chunk.truncate(length);
        self.number += 1;
        self.given = 0;
        self.ended = self.ahead.is_none();
        Ok(())
    }
}

impl<R: Read> Read for Opener<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given == self.chunk.len() && !self.ended {
            self.open_next()?;
        }
        let given = out.len().min(self.chunk.len() - self.given);
        out[..given].copy_from_slice(&self.chunk[self.given..self.given + given]);
        self.given += given;
        Ok(given)
    }
}

fn of_stream(key: &Key, salt: &[u8]) -> LessSafeKey {
    Key::derived(key.bytes(), salt, "genset backup 1").cipher()
}

fn nonce(number: u64, last: bool) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[3..11].copy_from_slice(&number.to_be_bytes());
    bytes[11] = u8::from(last);
    Nonce::assume_unique_for_key(bytes)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok().filter(|_| pair.len() == 2))
        .collect()
}

#[cfg(test)]
mod tests;
