//! A directory that fails in every way: each failure is told by its name, within its time, and ends nothing here.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use super::ber::{ENUMERATED, INTEGER, SEQUENCE, number, octets, value};
use super::*;

/// Longer than any test may take: what ends sooner did not wait for it.
const LONG: Duration = Duration::from_secs(60);

/// A server on a loopback port that treats one connection as a test wants.
struct StandIn {
    port: u16,
    thread: JoinHandle<Vec<u8>>,
}

impl StandIn {
    /// Reads a question, answers these bytes and hangs up; gives what it has read.
    fn answering(answer: Vec<u8>) -> StandIn {
        StandIn::treating(move |stream| {
            let mut asked = vec![0; 4096];
            let count = stream.read(&mut asked).unwrap();
            asked.truncate(count);
            // The other side may be gone before all is said.
            let _ = stream.write_all(&answer);
            asked
        })
    }

    fn treating(treat: impl FnOnce(&mut TcpStream) -> Vec<u8> + Send + 'static) -> StandIn {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || treat(&mut listener.accept().unwrap().0));
        StandIn { port, thread }
    }
}

fn settings(port: u16) -> DirectorySettings {
    DirectorySettings {
        host: "127.0.0.1".to_owned(),
        port,
        encryption: Encryption::None,
        bind_name: "cn=genset,dc=house".to_owned(),
        bind_password: Some("of the box".into()),
        base: "dc=house".to_owned(),
        user_filter: Filter::parse("(uid={name})").unwrap(),
        nested_groups: false,
        groups: Groups::default(),
        cached_for: LONG,
        connect_timeout: LONG,
        operation_timeout: LONG,
    }
}

/// What is wrong with a directory like this, for whoever wants to sign in.
async fn trouble(settings: DirectorySettings) -> Trouble {
    let client = DirectoryClient::new(settings);
    assert_eq!(client.state().reachable, None);
    assert_eq!(client.find("kim").await, Err(OutOfReach));
    let state = client.state();
    assert_eq!((state.reachable, state.last_seen_ms), (Some(false), None));
    state.trouble.expect("it has a name")
}

fn answer(id: u32, tag: u8, code: u32, said: &str) -> Vec<u8> {
    let outcome = value(tag, &[&number(ENUMERATED, code), &octets(b""), &octets(said.as_bytes())]);
    value(SEQUENCE, &[&number(INTEGER, id), &outcome]).to_vec()
}

#[tokio::test]
async fn each_wrong_answer_puts_the_directory_out_of_reach_and_ends_nothing() {
    let bound = || answer(1, 0x61, 0, "");
    // Nested values are no deeper than the first one that does not belong there.
    let deep = [vec![0x30, 0x83, 0x0f, 0xff, 0xf0], [0x30, 0x80].repeat(0x000f_fff0 / 2)].concat();
    let table = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), Trouble::Garbled),
        (vec![0xff; 4096], Trouble::Garbled),
        (vec![0; 4096], Trouble::Garbled),
        (Vec::new(), Trouble::Garbled),
        (bound()[..5].to_vec(), Trouble::Garbled),
        (vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff], Trouble::Garbled),
        (vec![0x30, 0x80], Trouble::Garbled),
        (deep, Trouble::Garbled),
        (answer(7, 0x61, 0, ""), Trouble::Garbled),
        (answer(1, 0x65, 0, ""), Trouble::Garbled),
        (answer(0, 0x78, 52, "going down"), Trouble::Busy),
        (answer(1, 0x61, 51, "busy"), Trouble::Busy),
        (answer(1, 0x61, 49, ""), Trouble::OwnAccount),
        (answer(1, 0x61, 13, ""), Trouble::Tls),
        ([bound(), answer(2, 0x65, 32, "")].concat(), Trouble::NoBase),
        ([bound(), answer(2, 0x65, 50, "")].concat(), Trouble::OwnAccount),
        ([bound(), answer(2, 0x65, 80, "")].concat(), Trouble::Busy),
        ([bound(), answer(2, 0x61, 0, "")].concat(), Trouble::Garbled),
        ([bound(), vec![0x30, 3, 2, 1, 2]].concat(), Trouble::Garbled),
    ];
    for (number, (bytes, wanted)) in table.into_iter().enumerate() {
        let stand_in = StandIn::answering(bytes);
        assert_eq!(trouble(settings(stand_in.port)).await, wanted, "row {number}");
        stand_in.thread.join().unwrap();
    }
}

#[tokio::test]
async fn a_directory_that_says_nothing_or_is_not_there_is_told_in_time() {
    let silent = StandIn::treating(|stream| {
        let mut asked = Vec::new();
        // Until the other side gives up.
        let _ = stream.read_to_end(&mut asked);
        asked
    });
    let soon = DirectorySettings { operation_timeout: Duration::from_millis(100), ..settings(silent.port) };
    assert_eq!(trouble(soon).await, Trouble::Silent);
    let asked = silent.thread.join().unwrap();
    assert!(asked.windows(10).any(|bytes| bytes == b"of the box"), "it was asked");
    assert_eq!(trouble(settings(9)).await, Trouble::NoConnection);
    let unread = DirectorySettings { bind_password: None, ..settings(9) };
    assert_eq!(trouble(unread).await, Trouble::NoPassword);
}

fn encrypted(port: u16, start: fn(TlsConnector) -> Encryption) -> DirectorySettings {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    DirectorySettings { encryption: start(TlsConnector::from(Arc::new(config))), ..settings(port) }
}

#[tokio::test]
async fn nothing_is_said_before_the_way_is_encrypted() {
    let agreed = answer(1, 0x78, 0, "");
    let table = [
        // No TLS at all, a refusal, silence after the agreement, and words that somebody slipped in behind it.
        (Encryption::Tls as fn(TlsConnector) -> Encryption, b"no handshake".to_vec()),
        (Encryption::StartTls, answer(1, 0x78, 2, "not here")),
        (Encryption::StartTls, agreed.clone()),
        (Encryption::StartTls, [agreed, answer(2, 0x61, 0, "")].concat()),
    ];
    for (start, bytes) in table {
        let stand_in = StandIn::answering(bytes);
        assert_eq!(trouble(encrypted(stand_in.port, start)).await, Trouble::Tls);
        let asked = stand_in.thread.join().unwrap();
        assert!(!asked.windows(6).any(|bytes| bytes == b"genset"), "no name and no password is sent");
    }
}

#[tokio::test]
async fn an_empty_password_is_never_sent() {
    let stand_in = StandIn::treating(|stream| {
        let mut asked = Vec::new();
        let _ = stream.read_to_end(&mut asked);
        asked
    });
    let client = DirectoryClient::new(settings(stand_in.port));
    let entry = DirectoryEntry {
        id: "1".to_owned(),
        place: "uid=kim,dc=house".to_owned(),
        name: "kim".to_owned(),
        role: None,
        departments: Vec::new(),
        is_disabled: false,
        is_locked: false,
    };
    assert_eq!(client.prove(Some(&entry), &"".into()).await, Ok(Proof::Wrong));
    let asked = stand_in.thread.join().unwrap();
    assert_eq!(asked, message::unbind(1).as_slice(), "it only took leave");
}

#[tokio::test]
async fn the_first_question_that_goes_well_brings_the_directory_back() {
    let answers = [answer(1, 0x61, 0, ""), answer(2, 0x65, 0, "")].concat();
    let stand_in = StandIn::answering(answers);
    let client = DirectoryClient::new(settings(stand_in.port));
    client.noted().reachable = Some(false);
    assert_eq!(client.find("kim").await, Ok(Found::Nobody));
    let state = client.state();
    assert_eq!((state.reachable, state.trouble), (Some(true), None));
    assert!(state.last_seen_ms.is_some());
    // The keeper is woken by it.
    client.0.flipped.notified().await;
    stand_in.thread.join().unwrap();
}

#[test]
fn a_refusal_is_understood_as_active_directory_means_it() {
    let of_ad = |data: &str| {
        format!("80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data {data}, v4563")
    };
    let table = [
        (0, String::new(), Ok(Proof::Right)),
        (49, String::new(), Ok(Proof::Wrong)),
        (49, of_ad("52e"), Ok(Proof::Wrong)),
        (49, of_ad("525"), Ok(Proof::Wrong)),
        (49, of_ad("533"), Ok(Proof::Disabled)),
        (49, of_ad("701"), Ok(Proof::Disabled)),
        (49, of_ad("532"), Ok(Proof::Expired)),
        (49, of_ad("773"), Ok(Proof::Expired)),
        (49, of_ad("775"), Ok(Proof::Locked)),
        (19, "Exceed password retry limit. Please try later.".to_owned(), Ok(Proof::Locked)),
        (53, "Account inactivated. Contact system administrator.".to_owned(), Ok(Proof::Disabled)),
        (53, String::new(), Ok(Proof::Locked)),
        (32, String::new(), Ok(Proof::Wrong)),
        (13, String::new(), Err(Trouble::Tls)),
        (52, String::new(), Err(Trouble::Busy)),
    ];
    for (code, said, wanted) in table {
        assert_eq!(proof(&Outcome { code, said: said.clone() }), wanted, "{code} {said}");
    }
}
