//! Streams and lines: what goes in comes out, and nothing that was changed does.

use super::*;

fn sealed(key: &Key, plain: &[u8]) -> Vec<u8> {
    let mut sealer = Sealer::new(Vec::new(), key).unwrap();
    sealer.write_all(plain).unwrap();
    sealer.finish().unwrap()
}

fn opened(key: &Key, sealed: &[u8]) -> Result<Vec<u8>, String> {
    let mut plain = Vec::new();
    let mut opener = Opener::new(sealed, key).map_err(|error| error.to_string())?;
    opener.read_to_end(&mut plain).map_err(|error| error.to_string())?;
    Ok(plain)
}

#[test]
fn a_stream_of_any_length_comes_back_as_it_was() {
    let key = Key::random().unwrap();
    for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 17] {
        let plain: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        assert_eq!(opened(&key, &sealed(&key, &plain)).unwrap(), plain, "{length}");
    }
}

/// A disk that is full after so many bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stream_that_broke_off_takes_nothing_more() {
    let mut sealer = Sealer::new(Full(CHUNK), &Key::random().unwrap()).unwrap();
    assert!(sealer.write_all(&vec![7; 2 * CHUNK]).is_err());
    assert!(sealer.write_all(b"more").is_err(), "what follows a hole is worth nothing");
    assert!(sealer.finish().is_err());
}

#[test]
fn a_stream_that_was_changed_cut_off_lengthened_or_put_together_anew_does_not_open() {
    let key = Key::random().unwrap();
    let good = sealed(&key, &vec![7; 2 * CHUNK + 100]);
    for at in [0, 20, 50, CHUNK, 2 * CHUNK, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(opened(&key, &bad).is_err(), "byte {at}");
    }
    let header = MAGIC.len() + SALT;
    for end in [0, 10, header, header + 5, header + CHUNK + TAG, header + 2 * (CHUNK + TAG), good.len() - 1] {
        assert!(opened(&key, &good[..end]).is_err(), "cut at {end}");
    }
    assert!(opened(&key, &[good.as_slice(), &[0]].concat()).is_err());
    let (first, second) = (header..header + CHUNK + TAG, header + CHUNK + TAG..header + 2 * (CHUNK + TAG));
    let swapped = [&good[..header], &good[second.clone()], &good[first], &good[second.end..]].concat();
    assert!(opened(&key, &swapped).is_err());
    assert!(opened(&Key::random().unwrap(), &good).unwrap_err().contains("another one"));
}

#[test]
fn a_sealed_line_opens_for_its_key_and_its_purpose_alone() {
    let key = Key::random().unwrap();
    let line = seal_line(&key, "api key", b"sk-very-secret").unwrap();
    assert!(line.starts_with(SEALED) && !line.contains("very"));
    assert_ne!(line, seal_line(&key, "api key", b"sk-very-secret").unwrap());
    assert_eq!(open_line(&key, "api key", &format!("{line}\n")).unwrap().as_slice(), b"sk-very-secret");
    assert!(matches!(open_line(&key, "another", &line), Err(Unopened::Refused)));
    assert!(matches!(open_line(&Key::random().unwrap(), "api key", &line), Err(Unopened::Refused)));
    assert!(matches!(open_line(&key, "api key", "sk-plain"), Err(Unopened::Foreign)));
}

#[test]
fn keys_do_not_print() {
    assert_eq!(format!("{:?}", Key::random().unwrap()), "Key(…)");
}
