use super::*;

/// `openssl x509 -req -signkey`, as of old: version 1, and its key in two formats.
const V1: &str = "\
-----BEGIN CERTIFICATE-----
MIIBHjCBxQIUPR0Viym+WzJe7SQvU8ibvPcqKMIwCgYIKoZIzj0EAwIwETEPMA0G
A1UEAwwGY2xpZW50MCAXDTI2MTEyNTIzMjIzOVoYDzIxMjYxMTAxMjMyMjM5WjAR
MQ8wDQYDVQQDDAZjbGllbnQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS4nEXh
4H3782XTFgCwJG2A/Iox/Gd3luphidudaJbhl3WW7vwYhPk/ZfJ6ySJrDBoys/yy
PSKCQTDVTFD8gLb4MAoGCCqGSM49BAMCA0gAMEUCIBS5IzX6ps7lvtMdp1KtrKE3
3kawpwOHIz8z7v6uZLB8AiEArzgfJ+xG3mwDwpIRbSGC7xaMPdzpUFnD4rEdJT84
HpQ=
-----END CERTIFICATE-----
";
const KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg7/MxPOU0ggMUgHXx
0TV9Z3GaG2LtSKduE/LkVnEcAkihRANCAAS4nEXh4H3782XTFgCwJG2A/Iox/Gd3
luphidudaJbhl3WW7vwYhPk/ZfJ6ySJrDBoys/yyPSKCQTDVTFD8gLb4
-----END PRIVATE KEY-----
";
const SEC1_KEY: &str = "\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIO/zMTzlNIIDFIB18dE1fWdxmhti7UinbhPy5FZxHAJIoAoGCCqGSM49
AwEHoUQDQgAEuJxF4eB9+/Nl0xYAsCRtgPyKMfxnd5bqYYnbnWiW4Zd1lu78GIT5
P2XyeskiawwaMrP8sj0igkEw1UxQ/IC2+A==
-----END EC PRIVATE KEY-----
";

fn made() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[track_caller]
fn check_pair(cert: &str, key: &str, want: Result<usize, &str>) {
    let got = pair(cert, key).map(|(chain, key)| {
        assert!(key.is_some());
        chain.len()
    });
    match want {
        Ok(_) => assert_eq!(got.as_ref().copied(), Ok(want.unwrap())),
        Err(part) => assert!(got.as_ref().is_err_and(|e| e.contains(part)), "{got:?}"),
    }
}

#[test]
fn certificates_and_keys_of_all_formats_are_accepted() {
    let (cert, key) = made();
    check_pair(&cert, &key, Ok(1));
    check_pair(V1, KEY, Ok(1));
    check_pair(V1, SEC1_KEY, Ok(1));
    check_pair(&V1.replace('\n', "\r\n"), &KEY.replace('\n', "\r\n"), Ok(1));
    // Key and certificates in one file, texts around them.
    let both = format!("# mine\n{KEY}Bag Attributes\n  a: b\n{V1}{cert}the end");
    check_pair(&both, &both, Ok(2));
    // The label does not say what the format is, and headers are passed over.
    check_pair(V1, &KEY.replace("PRIVATE", "RSA PRIVATE"), Ok(1));
    let with_headers = KEY.replacen("KEY-----\n", "KEY-----\nX: y\n\n", 1);
    check_pair(V1, &with_headers, Ok(1));
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    check_pair(V1, &format!("{parameters}{SEC1_KEY}"), Ok(1));
}

#[test]
fn other_material_is_refused() {
    let (cert, key) = made();
    check_pair(&cert, KEY, Err("does not match"));
    check_pair(&key, &key, Err("certificate input"));
    check_pair(&cert, &cert, Err("key input"));
    check_pair(&cert.replace("-\n", "-X\n"), &key, Err("certificate input"));
    check_pair(&cert.replace('\n', "\r"), &key, Err("certificate input"));
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    check_pair(garbage, &key, Err("malformed certificate"));
    check_pair(
        &cert,
        &garbage.replace("CERTIFICATE", "PRIVATE KEY"),
        Err("private key"),
    );
    assert!(check_ca(&format!("text\n{cert}garbage")).is_ok());
    assert!(check_ca("text").is_err());
    assert!(check_ca(&key).is_err());
    assert!(check_ca(garbage).is_err());
}

#[track_caller]
fn check_authorities(text: &str, want: usize) {
    assert_eq!(authorities(text).count(), want, "{text}");
}

#[test]
fn what_is_malformed_is_passed_over() {
    let unclosed = V1.split_once("-----END").unwrap().0;
    let mismatch = V1.replace("END CERT", "END TRUSTED CERT");
    check_authorities(&format!("{unclosed}{V1}"), 1);
    check_authorities(&format!("{mismatch}{V1}{V1}"), 2);
    check_authorities(&format!("{}{V1}", V1.replace('M', "!")), 1);
    check_authorities(&format!("{}{V1}", V1.replace("CERT", "X509 CERT")), 1);
    check_authorities(&V1.replacen("-----\n", "-----\nA: b\n\n", 1), 0);
    check_authorities(&V1.replace("\n", "\n  "), 0);
    check_authorities(&V1.trim_end().repeat(2), 0);
    // Many beginnings cost no more than their number.
    check_authorities(&"-----BEGIN CERTIFICATE-----\n".repeat(100_000), 0);
}

#[track_caller]
fn check_time(tag: u8, text: &str, want: Option<u64>) {
    let mut der = vec![tag, u8::try_from(text.len()).unwrap()];
    der.extend_from_slice(text.as_bytes());
    assert_eq!(Der(&der).time(), want);
}

#[test]
fn times() {
    check_time(UTC_TIME, "231114221320Z", Some(1_700_000_000));
    check_time(UTC_TIME, "691231235959Z", Some(0));
    check_time(UTC_TIME, "491231235959Z", Some(2_524_607_999));
    check_time(GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000));
    check_time(GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799));
    check_time(GENERALIZED_TIME, "2050010100Z", None);
    check_time(UTC_TIME, "231114221320", None);
    check_time(SEQUENCE, "231114221320Z", None);
}

#[test]
fn damaged_certificates_have_no_validity() {
    assert_eq!(validity(&[]), None);
    assert_eq!(validity(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    assert_eq!(validity(&[0x30, 0x03, 0x30, 0x01, 0x02]), None);
}
