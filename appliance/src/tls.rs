//! The box's own certificate authority: made at the first start, kept in the data folder, trusted once by each
//! workplace. No outside authority is needed, and none is asked.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{Timestamp, ToSpan};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use store::durable::{make_folder, write_file};

#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("{}: cannot be read or written. Check the folder's owner and the room on the disk.", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the certificate could not be made")]
    Make(#[from] rcgen::Error),
    #[error("{}: is not a usable certificate or key. Move it away, and the next start makes a new one.", .0.display())]
    Unusable(PathBuf),
    #[error("the TLS configuration was refused")]
    Rustls(#[from] rustls::Error),
}

/// Where the certificate of the authority lies: what workplaces are told to trust.
pub(crate) fn authority_file(data_dir: &Path) -> PathBuf {
    data_dir.join("tls").join("ca.pem")
}

/// The server's TLS: the authority is made when there is none, the server's certificate anew at each start, so that
/// it fits the addresses and names that the machine has now.
///
/// # Errors
/// When a file cannot be used.
pub(crate) fn server_config(
    data_dir: &Path,
    names: &[String],
    addresses: &[IpAddr],
) -> Result<rustls::ServerConfig, TlsError> {
    let folder = data_dir.join("tls");
    make_folder(&folder).map_err(|source| TlsError::File { path: folder.clone(), source })?;
    let (ca_file, key_file) = (authority_file(data_dir), folder.join("ca.key"));
    if !ca_file.exists() || !key_file.exists() {
        make_authority(&ca_file, &key_file)?;
    }
    let ca_pem = read(&ca_file)?;
    let key = KeyPair::from_pem(&read(&key_file)?).map_err(|_| TlsError::Unusable(key_file))?;
    let ca_der =
        CertificateDer::from_pem_slice(ca_pem.as_bytes()).map_err(|_| TlsError::Unusable(ca_file.clone()))?;
    let issuer = Issuer::new(authority_params()?, key);
    let server_key = KeyPair::generate()?;
    let certificate = server_params(names, addresses)?.signed_by(&server_key, &issuer)?;
    let chain = vec![certificate.der().clone(), ca_der];
    let key = PrivateKeyDer::try_from(server_key.serialize_der()).map_err(|_| TlsError::Unusable(ca_file))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn make_authority(ca_file: &Path, key_file: &Path) -> Result<(), TlsError> {
    let key = KeyPair::generate()?;
    let certificate = authority_params()?.self_signed(&key)?;
    write(key_file, &key.serialize_pem(), 0o600)?;
    // Last, because it says that there is an authority: without it the next start makes both anew.
    write(ca_file, &certificate.pem(), 0o644)
}

/// The authority holds for the life of the box and does not depend on the clock of the day it was made: a box may
/// well be installed with a clock that stands at 1970.
fn authority_params() -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "Genset local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) =
        (rcgen::date_time_ymd(1970, 1, 2), rcgen::date_time_ymd(2099, 12, 31));
    Ok(params)
}

fn server_params(names: &[String], addresses: &[IpAddr]) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::new(names.to_vec())?;
    params.subject_alt_names.extend(addresses.iter().copied().map(SanType::IpAddress));
    params.distinguished_name.push(DnType::CommonName, "Genset");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let in_days = |days: i32| {
        let date = today.checked_add(days.days()).unwrap_or(today);
        rcgen::date_time_ymd(i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    // Some browsers refuse a server's certificate that holds for more than 825 days.
    (params.not_before, params.not_after) = (in_days(-1), in_days(820));
    Ok(params)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), TlsError> {
    write_file(path, text.as_bytes(), mode).map_err(|source| TlsError::File { path: path.to_owned(), source })
}

fn read(path: &Path) -> Result<String, TlsError> {
    fs::read_to_string(path).map_err(|source| TlsError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_suites_that_keep_the_past_secret_and_prove_what_they_carry_are_offered() {
        let dir = tempfile::tempdir().unwrap();
        let config = server_config(dir.path(), &["localhost".to_owned()], &[]).unwrap();
        let suites = &config.crypto_provider().cipher_suites;
        for suite in suites {
            let name = format!("{:?}", suite.suite());
            assert!(name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_"), "{name}");
            assert!(name.contains("_GCM_") || name.contains("CHACHA20_POLY1305"), "{name}");
        }
        assert!(format!("{:?}", suites[0].suite()).starts_with("TLS13_"), "the newest first");
        assert!(!config.ignore_client_order || suites.len() > 1);
        let groups = &config.crypto_provider().kx_groups;
        assert!(groups.iter().all(|group| {
            ["X25519", "secp256r1", "secp384r1"].contains(&format!("{:?}", group.name()).as_str())
        }));
    }
}
