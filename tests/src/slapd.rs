//! A building's directory: the real OpenLDAP server as a plain process, with its own folder, ports and certificate.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::test_appliance::{repository, signal};
use crate::{Authority, places};

/// A server that does not start or stop within this is broken.
const PATIENCE: Duration = Duration::from_secs(30);

const ROOT: &str = "cn=root,dc=house";
const ROOT_PASSWORD: &str = "words of the root";
/// The box's own account.
const BOX: &str = "cn=genset,ou=services,dc=house";
const BOX_PASSWORD: &str = "words of the box";

const FIRST_ENTRIES: &str = "\
dn: dc=house
objectClass: dcObject
objectClass: organization
dc: house
o: house

dn: ou=people,dc=house
objectClass: organizationalUnit

dn: ou=groups,dc=house
objectClass: organizationalUnit

dn: ou=services,dc=house
objectClass: organizationalUnit

dn: cn=policy,ou=services,dc=house
objectClass: device
objectClass: pwdPolicy
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMaxFailure: 2
";

/// A running directory, or one that was stopped. Dropping it ends it.
pub struct Slapd {
    folder: TempDir,
    plain: SocketAddr,
    encrypted: SocketAddr,
    server: Option<Child>,
}

impl Slapd {
    /// Starts a directory with these people, each with a password and groups.
    pub async fn start(people: &[(&str, &str, &[&str])]) -> Slapd {
        let folder = TempDir::new().expect("a temporary folder");
        let (plain, encrypted) = (places::free_address(), places::free_address());
        let (certificate, key, authority) = certificates(encrypted);
        for (name, pem) in [("certificate.pem", certificate), ("key.pem", key), ("ca.pem", authority)] {
            std::fs::write(folder.path().join(name), pem).expect("writable");
        }
        std::fs::create_dir(folder.path().join("db")).expect("the folder is new");
        std::fs::write(folder.path().join("slapd.conf"), config(folder.path())).expect("writable");
        let mut slapd = Slapd { folder, plain, encrypted, server: None };
        slapd.load(people);
        slapd.start_again().await;
        slapd
    }

    fn load(&self, people: &[(&str, &str, &[&str])]) {
        let mut text = format!("{FIRST_ENTRIES}\n{}", entry_of_box());
        let mut groups: Vec<&str> = people.iter().flat_map(|(_, _, groups)| groups.iter().copied()).collect();
        groups.sort_unstable();
        groups.dedup();
        for (uid, password, _) in people {
            text += &format!(
                "\ndn: {}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: {uid}\nuserPassword: {password}\n",
                Slapd::person(uid)
            );
        }
        for group in groups {
            text += &format!("\ndn: {}\nobjectClass: groupOfNames\ncn: {group}\n", Slapd::group(group));
            for (uid, _, _) in people.iter().filter(|(_, _, groups)| groups.contains(&group)) {
                text += &format!("member: {}\n", Slapd::person(uid));
            }
        }
        let file = self.folder.path().join("first.ldif");
        std::fs::write(&file, text).expect("writable");
        let loaded = Command::new(program())
            .args(["-T", "add", "-q", "-f"])
            .arg(self.folder.path().join("slapd.conf"))
            .arg("-l")
            .arg(&file)
            .output()
            .expect("slapd is installed: tests/all installs it");
        assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    }

    /// Where a person's entry stands.
    pub fn person(uid: &str) -> String {
        format!("uid={uid},ou=people,dc=house")
    }

    /// Where a group's entry stands.
    pub fn group(name: &str) -> String {
        format!("cn={name},ou=groups,dc=house")
    }

    /// The section of a box that asks this directory, encrypted from the first byte, with these lines in it.
    pub fn section(&self, lines: &str) -> String {
        self.section_at(&format!("ldaps://{}", self.encrypted), lines)
    }

    /// The same for one that begins the encryption by a request.
    pub fn section_with_start_tls(&self, lines: &str) -> String {
        self.section_at(&format!("ldap://{}", self.plain), lines)
    }

    fn section_at(&self, url: &str, lines: &str) -> String {
        let password = self.folder.path().join("password");
        std::fs::write(&password, format!("{BOX_PASSWORD}\n")).expect("writable");
        format!(
            "\n[directory]\nurl = {url:?}\nca_file = {:?}\nbind_name = {BOX:?}\nbind_password_file = {password:?}\n\
             base = \"dc=house\"\n{lines}",
            self.ca_file()
        )
    }

    /// The certificate of the authority that vouches for the server.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The file with the password of the box's own account.
    pub fn password_file(&self) -> PathBuf {
        self.folder.path().join("password")
    }

    /// Changes entries, as LDIF says it.
    pub fn change(&self, ldif: &str) {
        let mut change = Command::new("ldapmodify")
            .args(["-x", "-D", ROOT, "-w", ROOT_PASSWORD, "-H", &format!("ldap://{}", self.plain)])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ldapmodify is installed: tests/all installs it");
        let mut input = change.stdin.take().expect("it is piped");
        input.write_all(ldif.as_bytes()).expect("it reads");
        drop(input);
        let output = change.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Replaces an attribute of a person.
    pub fn set(&self, uid: &str, attribute: &str, value: &str) {
        self.change(&format!(
            "dn: {}\nchangetype: modify\nreplace: {attribute}\n{attribute}: {value}\n",
            Slapd::person(uid)
        ));
    }

    /// Ends the server: its ports refuse from now on.
    pub fn stop(&mut self) {
        let mut server = self.server.take().expect("it runs");
        signal(server.id(), Signal::TERM);
        let started = Instant::now();
        while server.try_wait().expect("a child can be asked").is_none() {
            assert!(started.elapsed() < PATIENCE, "slapd does not stop");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Connections are taken and nothing is answered, until [`Slapd::thaw`].
    pub fn freeze(&self) {
        signal(self.server.as_ref().expect("it runs").id(), Signal::STOP);
    }

    pub fn thaw(&self) {
        signal(self.server.as_ref().expect("it runs").id(), Signal::CONT);
    }

    /// Starts the server on what it has stored, and waits until both ports take connections.
    pub async fn start_again(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("slapd.log")).expect("writable");
        let server = Command::new(program())
            // Without a level of `-d` it would leave for the background.
            .args(["-d", "0", "-h", &format!("ldap://{}/ ldaps://{}/", self.plain, self.encrypted), "-f"])
            .arg(self.folder.path().join("slapd.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.server = Some(server.expect("slapd is installed: tests/all installs it"));
        let started = Instant::now();
        for address in [self.plain, self.encrypted] {
            while TcpStream::connect(address).is_err() {
                let ended =
                    self.server.as_mut().and_then(|server| server.try_wait().expect("it can be asked"));
                assert!(ended.is_none(), "slapd has ended: {}", log_of(self.folder.path()));
                assert!(started.elapsed() < PATIENCE, "slapd does not start: {}", log_of(self.folder.path()));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// The copy that `tests/all` has made, or the system's own.
fn program() -> PathBuf {
    let copy = repository().join("target/slapd");
    if copy.exists() { copy } else { "/usr/sbin/slapd".into() }
}

/// Only the box's account may read, and passwords may be tried but never read. Nothing here outlives the test, so nothing
/// is synced.
fn config(folder: &Path) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    format!(
        "\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
TLSCertificateFile {}
TLSCertificateKeyFile {}
database mdb
suffix dc=house
rootdn {ROOT}
rootpw \"{ROOT_PASSWORD}\"
directory {}
maxsize 16777216
dbnosync
index objectClass,uid,member eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact=\"{BOX}\" read by * none
overlay ppolicy
ppolicy_default cn=policy,ou=services,dc=house
",
        at("certificate.pem"),
        at("key.pem"),
        at("db")
    )
}

fn entry_of_box() -> String {
    format!(
        "dn: {BOX}\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\nuserPassword: {BOX_PASSWORD}\n"
    )
}

/// The server's certificate and key, and the certificate of the authority.
fn certificates(address: SocketAddr) -> (String, String, String) {
    let authority = Authority::new();
    let (certificate, key) = authority.certificate(&[address.ip().to_string()]);
    (certificate, key, authority.pem().to_owned())
}

fn log_of(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("slapd.log")).unwrap_or_default()
}
