//! RSA keys of callers: what is read, and what they verify.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kunji_vault::{RSA_KEY_TEXT_LEN_MAX, RsaKeyError, RsaPrivate, RsaPublic, RsaScheme};
use proptest::prelude::*;
use serde_json::{Value, json};

pub(crate) const JWK: &str = include_str!("../vectors/merchant-stock.jwk.json");
const PUBLIC_PEM: &str = include_str!("../vectors/merchant-stock.public.pem");
const PRIVATE_PEM: &str = include_str!("../vectors/merchant-stock.private.pem");
const SIGNATURES: &str = include_str!("../vectors/merchant-stock.signatures.json");
const FORMS: &str = include_str!("../vectors/rsa-forms.json");
const SALTS: &str = include_str!("../vectors/pss-salts.json");

const SCHEMES: [RsaScheme; 2] = [RsaScheme::Pkcs1, RsaScheme::Pss];

/// An RSA key of 1024 bits.
const SMALL_PEM: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDjyP0vSkJqiWm97m1Z0/AIuEP3
HoE7Xn3KRwGJA1xOHW+K9W9g2igvhxHuyHLsDB3FJweR3uAFooJsqHFsc1T05G98
RMCRyM3LKLTfqki7WdP6nAyfgchh89HDmfvOAl2XkriC6qzaAx1TocYUD8RNV4Us
/tbwSBMSvDVb0LWXfQIDAQAB
-----END PUBLIC KEY-----
";

/// A key on P-256.
const EC_PEM: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE/2oHKPcn36nbfNCzdG9YUdQG387r
6j6IS2x8nNeQDS4SPOWokRAacKcWF/c67USt2g57xqAnY/RYJ8Ppq9qIPA==
-----END PUBLIC KEY-----
";

pub(crate) fn merchant() -> RsaPrivate {
    RsaPrivate::parse(JWK).unwrap()
}

/// The JWK with its members changed.
fn jwk(change: impl FnOnce(&mut Value)) -> String {
    let mut jwk: Value = serde_json::from_str(JWK).unwrap();
    change(&mut jwk);
    jwk.to_string()
}

fn public_jwk(change: impl FnOnce(&mut Value)) -> String {
    jwk(|jwk| {
        for member in ["d", "p", "q", "dp", "dq", "qi"] {
            jwk.as_object_mut().unwrap().remove(member);
        }
        change(jwk);
    })
}

pub(crate) fn from_hex(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

#[test]
fn a_key_is_the_same_in_every_form() {
    let publics = [PUBLIC_PEM, &public_jwk(|_| ())].map(|text| RsaPublic::parse(text).unwrap());
    for private in [PRIVATE_PEM, JWK].map(|text| RsaPrivate::parse(text).unwrap()) {
        for scheme in SCHEMES {
            let signature = private.sign(scheme, &[b"one ", b"", b"two"]).unwrap();
            for public in publics.iter().chain([&private.public()]) {
                assert!(public.verifies(scheme, &[b"one two"], &signature));
                assert!(!public.verifies(scheme, &[b"one tw"], &signature));
            }
        }
    }
}

#[test]
fn a_key_shows_no_more_than_its_name() {
    assert_eq!(format!("{:?}", merchant()), "RsaPrivate(****)");
    let public = format!("{:?}", merchant().public());
    assert_eq!(public, r#"RsaPublic { kid: Some("stock-test-1"), .. }"#);
}

#[test]
fn signatures_of_another_library_verify_in_their_own_padding_only() {
    let vectors: Value = serde_json::from_str(SIGNATURES).unwrap();
    let public = RsaPublic::parse(PUBLIC_PEM).unwrap();
    for (name, verifies) in [
        ("pkcs1", [true, false]),
        ("pss", [false, true]),
        ("pss_salt_20", [false, true]),
        ("pss_salt_222", [false, true]),
    ] {
        let signature = from_hex(vectors[name].as_str().unwrap());
        let found = SCHEMES.map(|scheme| public.verifies(scheme, &[b"hello"], &signature));
        assert_eq!(found, verifies, "{name}");
    }
}

#[test]
fn a_pss_signature_has_as_much_salt_as_its_signer_took() {
    let vectors: Vec<Value> = serde_json::from_str(SALTS).unwrap();
    assert_eq!(vectors.len(), 26);
    for vector in &vectors {
        let text = |member: &str| vector[member].as_str().unwrap();
        let public = match text("key") {
            "stock" => RsaPublic::parse(PUBLIC_PEM).unwrap(),
            other => RsaPublic::parse(&form(other)).unwrap(),
        };
        let signature = from_hex(text("signature"));
        let verifies = |message: &[u8], signature: &[u8]| {
            public.verifies(RsaScheme::Pss, &[message], signature)
        };
        assert_eq!(verifies(b"hello", &signature), text("hash") == "sha256", "{vector}");
        assert!(!verifies(b"hellp", &signature), "{vector}");
        assert!(!public.verifies(RsaScheme::Pkcs1, &[b"hello"], &signature), "{vector}");
        for at in [0, signature.len() / 2, signature.len() - 1] {
            let mut altered = signature.clone();
            altered[at] ^= 1;
            assert!(!verifies(b"hello", &altered), "{vector}");
        }
        assert!(!verifies(b"hello", &[&[0], signature.as_slice()].concat()));
        assert!(!verifies(b"hello", &signature[1..]));
    }
}

#[test]
fn a_signature_of_another_length_does_not_verify() {
    let key = merchant();
    for scheme in SCHEMES {
        let signature = key.sign(scheme, &[b"m"]).unwrap();
        for altered in [
            &signature[1..],
            &signature[..255],
            &[&[0], signature.as_slice()].concat(),
            &[signature.as_slice(), &[0]].concat(),
            &[0; 256],
            &[255; 256],
            &[],
        ] {
            assert!(!key.public().verifies(scheme, &[b"m"], altered));
        }
    }
}

#[track_caller]
fn check_public(text: &str, expected: Option<RsaKeyError>) {
    assert_eq!(RsaPublic::parse(text).err(), expected);
}

#[test]
fn a_public_key_is_one_pem_block_or_one_jwk() {
    check_public(&format!("\n {PUBLIC_PEM}\n"), None);
    check_public(&PUBLIC_PEM.replace('\n', "\r\n"), None);
    check_public(&public_jwk(|jwk| jwk["more"] = json!([1])), None);
    let unusable = Some(RsaKeyError::Unusable);
    check_public("", unusable);
    check_public("-----BEGIN ", unusable);
    check_public("-----BEGIN PUBLIC KEY-----", unusable);
    check_public("-----BEGIN PUBLIC KEY----------END PUBLIC KEY-----", unusable);
    check_public(EC_PEM, Some(RsaKeyError::OtherKind));
    check_public(&format!("note\n{PUBLIC_PEM}"), unusable);
    check_public(&format!("{PUBLIC_PEM}{PUBLIC_PEM}"), unusable);
    check_public(&PUBLIC_PEM.replace("PUBLIC", "RSA PUBLIC"), unusable);
    check_public(&PUBLIC_PEM.replace("END PUBLIC", "END"), unusable);
    check_public(&PUBLIC_PEM.replacen("MII", "-II", 1), unusable);
    check_public(&PUBLIC_PEM.replace("\n-----END", "AAAA\n-----END"), unusable);
    check_public(&PUBLIC_PEM[100..], unusable);
    check_public(&format!("{PUBLIC_PEM}{}", " ".repeat(RSA_KEY_TEXT_LEN_MAX)), unusable);
    check_public(&format!("[{}]", public_jwk(|_| ())), unusable);
    check_public(&public_jwk(|jwk| jwk["kty"] = "EC".into()), Some(RsaKeyError::OtherKind));
    check_public(&public_jwk(|jwk| jwk["kty"] = "rsa".into()), unusable);
    check_public(&public_jwk(|jwk| jwk["e"] = "AQAB=".into()), unusable);
    check_public(&public_jwk(|jwk| jwk["e"] = "AAEAAQ".into()), unusable);
    check_public(&public_jwk(|jwk| jwk["e"] = "AQ".into()), unusable);
    check_public(&public_jwk(|jwk| jwk["e"] = "".into()), unusable);
    check_public(&public_jwk(|jwk| jwk["e"] = 65537.into()), unusable);
    check_public(&public_jwk(|jwk| jwk["n"] = "".into()), Some(RsaKeyError::Size));
}

/// A key in one of the forms that other programs write.
fn form(name: &str) -> String {
    let forms: Value = serde_json::from_str(FORMS).unwrap();
    forms[name].as_str().unwrap_or_else(|| panic!("there is no {name}")).to_owned()
}

/// The same with lines of another width and other ends.
fn rewrapped(pem: &str, width: usize, end: &str) -> String {
    let lines: Vec<_> = pem.lines().collect();
    let [first, body @ .., last] = lines.as_slice() else { panic!("no PEM") };
    let body = body.concat();
    let body = body.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap());
    let lines: Vec<_> = [*first].into_iter().chain(body).chain([*last]).collect();
    format!("{}{end}", lines.join(end))
}

#[test]
fn keys_are_read_in_pkcs1_as_in_the_newer_forms() {
    let signature = merchant().sign(RsaScheme::Pkcs1, &[b"m"]).unwrap();
    for pem in [PUBLIC_PEM.to_owned(), form("pkcs1_public")] {
        for (width, end) in [(64, "\n"), (64, "\r\n"), (76, "\n"), (1, "\r\n"), (9999, "\n")] {
            let public = RsaPublic::parse(&rewrapped(&pem, width, end)).unwrap();
            assert!(public.verifies(RsaScheme::Pkcs1, &[b"m"], &signature));
        }
        RsaPublic::parse(&format!("\u{feff}{pem}")).unwrap();
    }
    for pem in [PRIVATE_PEM.to_owned(), form("pkcs1_private")] {
        for (width, end) in [(64, "\n"), (64, "\r\n"), (57, "\n"), (9999, "\n")] {
            let private = RsaPrivate::parse(&rewrapped(&pem, width, end)).unwrap();
            assert_eq!(private.sign(RsaScheme::Pkcs1, &[b"m"]).unwrap(), signature);
        }
    }
    for name in ["rsa_2049_public", "rsa_3072_public", "rsa_4096_public", "rsa_e3_public"] {
        check_public(&form(name), None);
    }
    check_public(&form("rsa_3072_public_pkcs1"), None);
    for name in ["rsa_3072_private", "rsa_3072_private_pkcs1"] {
        RsaPrivate::parse(&form(name)).unwrap();
    }
    // One form under the other's name.
    let swapped = [(PUBLIC_PEM, "PUBLIC", "RSA PUBLIC"), (&form("pkcs1_public"), "RSA ", "")];
    for (pem, from, to) in swapped {
        check_public(&pem.replace(from, to), Some(RsaKeyError::Unusable));
    }
}

#[test]
fn what_cannot_be_taken_is_told_by_its_kind() {
    use RsaKeyError::{Certificate, Encrypted, OtherKind, Private, Public, Size};
    for (name, as_public, as_private) in [
        ("encrypted_pkcs8", Private, Encrypted),
        ("encrypted_pkcs1", Private, Encrypted),
        ("certificate", Certificate, Certificate),
        ("certificate_request", Certificate, Certificate),
        ("ec_with_parameters", OtherKind, OtherKind),
        ("ec_sec1", OtherKind, OtherKind),
        ("ec_pkcs8", Private, OtherKind),
        ("ed25519_pkcs8", Private, OtherKind),
        ("ed25519_public", OtherKind, Public),
        ("rsa_pss_private", Private, OtherKind),
        ("rsa_pss_public", OtherKind, Public),
        ("openssh_private", OtherKind, OtherKind),
        ("openssh_public", OtherKind, OtherKind),
        ("rsa_1024_public", Size, Public),
        ("rsa_1024_public_pkcs1", Size, Public),
        ("rsa_4104_public", Size, Public),
        ("rsa_4104_public_pkcs1", Size, Public),
        ("rsa_1024_private", Private, Size),
        ("rsa_1024_private_pkcs1", Private, Size),
        ("rsa_4104_private", Private, Size),
        ("rsa_4104_private_pkcs1", Private, Size),
    ] {
        let text = form(name);
        let (public, private) = (RsaPublic::parse(&text).err(), RsaPrivate::parse(&text).err());
        assert_eq!((public, private), (Some(as_public), Some(as_private)), "{name}");
    }
    check_public(&form("pkcs1_private"), Some(Private));
    assert_eq!(RsaPrivate::parse(&form("pkcs1_public")).err(), Some(Public));
    let ec = r#"{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}"#;
    check_public(ec, Some(OtherKind));
    assert_eq!(RsaPrivate::parse(ec).err(), Some(OtherKind));
    assert_eq!(RsaPrivate::parse(&public_jwk(|_| ())).err(), Some(Public));
}

#[test]
fn a_private_key_is_not_taken_for_a_public_one() {
    check_public(JWK, Some(RsaKeyError::Private));
    check_public(PRIVATE_PEM, Some(RsaKeyError::Private));
    check_public(&PRIVATE_PEM.replace(" PRIVATE", " RSA PRIVATE"), Some(RsaKeyError::Private));
    check_public(&public_jwk(|jwk| jwk["d"] = "AQAB".into()), Some(RsaKeyError::Private));
}

#[track_caller]
fn check_bits(bits: usize, usable: bool) {
    let modulus = vec![0xc1; bits / 8];
    let text = public_jwk(|jwk| jwk["n"] = URL_SAFE_NO_PAD.encode(&modulus).into());
    check_public(&text, (!usable).then_some(RsaKeyError::Size));
}

#[test]
fn a_key_has_2048_to_4096_bits() {
    check_public(SMALL_PEM, Some(RsaKeyError::Size));
    check_bits(1024, false);
    check_bits(2040, false);
    check_bits(2048, true);
    check_bits(3072, true);
    check_bits(4096, true);
    check_bits(4104, false);
    check_bits(8192, false);
    check_bits(16384, false);
}

#[test]
fn a_private_key_is_whole_and_consistent() {
    assert!(RsaPrivate::parse(&format!(" {PRIVATE_PEM} ")).is_ok());
    for member in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        let missing = jwk(|jwk| drop(jwk.as_object_mut().unwrap().remove(member)));
        assert!(RsaPrivate::parse(&missing).is_err(), "{member}");
        let altered = jwk(|jwk| {
            let mut bytes = URL_SAFE_NO_PAD.decode(jwk[member].as_str().unwrap()).unwrap();
            bytes[1] ^= 2;
            jwk[member] = URL_SAFE_NO_PAD.encode(bytes).into();
        });
        assert!(RsaPrivate::parse(&altered).is_err(), "{member}");
    }
    for text in [
        String::new(),
        PRIVATE_PEM.replace("PRIVATE KEY", "RSA PRIVATE KEY"),
        PRIVATE_PEM.replace("\n-----END", "AAAA\n-----END"),
        jwk(|jwk| jwk["oth"] = json!([])),
        jwk(|jwk| jwk["oth"] = Value::Null),
        format!("{PRIVATE_PEM}{}", " ".repeat(RSA_KEY_TEXT_LEN_MAX)),
    ] {
        assert_eq!(RsaPrivate::parse(&text).err(), Some(RsaKeyError::Unusable));
    }
}

proptest! {
    #[test]
    fn no_text_makes_reading_a_key_panic(text in any::<String>(), at in 0..1600_usize) {
        let _ = (RsaPublic::parse(&text), RsaPrivate::parse(&text));
        for whole in [PUBLIC_PEM, PRIVATE_PEM, JWK] {
            let (head, tail) = whole.split_at(at.min(whole.len()));
            let spliced = format!("{head}{text}{}", tail.get(1..).unwrap_or_default());
            let _ = (RsaPublic::parse(&spliced), RsaPrivate::parse(&spliced));
        }
    }

    #[test]
    fn no_flipped_bit_of_a_signature_verifies(bit in 0..2048_usize) {
        let key = merchant();
        for scheme in SCHEMES {
            let mut signature = key.sign(scheme, &[b"m"]).unwrap();
            signature[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!key.public().verifies(scheme, &[b"m"], &signature));
        }
    }

    #[test]
    fn no_bytes_are_a_signature(signature in any::<Vec<u8>>()) {
        let public = RsaPublic::parse(PUBLIC_PEM).unwrap();
        for scheme in SCHEMES {
            prop_assert!(!public.verifies(scheme, &[b"m"], &signature));
        }
    }
}
