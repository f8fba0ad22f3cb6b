//! JWS: only RS256 by the right key, in its one encoding, verifies.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kunji_vault::{HmacKey, JWS_LEN_MAX, JwsParts, RsaPublic, RsaScheme};
use proptest::prelude::*;

use crate::rsa_keys::{from_hex, merchant};

const PAYLOAD: &[u8] = br#"{"iat":1760000000,"upiNumber":"9988776655"}"#;

/// Signs exactly this header, in this padding.
fn signed(header: &str, scheme: RsaScheme) -> JwsParts {
    let [protected, payload] = [header.as_bytes(), PAYLOAD].map(|p| URL_SAFE_NO_PAD.encode(p));
    resigned(protected, payload, scheme)
}

/// Signs exactly these encoded parts.
fn resigned(protected: String, payload: String, scheme: RsaScheme) -> JwsParts {
    let input: [&[u8]; 3] = [protected.as_bytes(), b".", payload.as_bytes()];
    let signature = URL_SAFE_NO_PAD.encode(merchant().sign(scheme, &input).unwrap());
    JwsParts { protected, payload, signature }
}

#[track_caller]
fn check(jws: &JwsParts, expected: Option<&[u8]>) {
    assert_eq!(jws.verified(&merchant().public()).as_deref(), expected);
}

/// RFC 7515, appendix A.2.
#[test]
fn the_published_rs256_vector_verifies() {
    let key = RsaPublic::parse(
        r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#,
    )
    .unwrap();
    let jws = JwsParts {
        protected: "eyJhbGciOiJSUzI1NiJ9".to_owned(),
        payload: "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ".to_owned(),
        signature: "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw".to_owned(),
    };
    let payload = jws.verified(&key).unwrap();
    assert!(payload.starts_with(br#"{"iss":"joe","#));
    check(&jws, None);
}

#[test]
fn what_was_signed_is_read_back() {
    let jws = merchant().sign_jws(Some("stock-test-1"), PAYLOAD).unwrap();
    check(&jws, Some(PAYLOAD));
    let header = URL_SAFE_NO_PAD.decode(&jws.protected).unwrap();
    assert_eq!(header, br#"{"alg":"RS256","kid":"stock-test-1"}"#);
    check(&merchant().sign_jws(None, b"").unwrap(), Some(b""));
    assert_eq!(format!("{jws:?}"), "JwsParts(****)");
}

#[track_caller]
fn check_header(header: &str, readable: bool) {
    check(&signed(header, RsaScheme::Pkcs1), readable.then_some(PAYLOAD));
}

#[test]
fn only_a_header_of_rs256_is_accepted() {
    check_header(r#"{"alg":"RS256"}"#, true);
    check_header(r#" {"typ":"JWT","alg":"RS256","kid":7} "#, true);
    check_header(r#"{"alg":"none"}"#, false);
    check_header(r#"{"alg":"None"}"#, false);
    check_header(r#"{"alg":"HS256"}"#, false);
    check_header(r#"{"alg":"PS256"}"#, false);
    check_header(r#"{"alg":"RS512"}"#, false);
    check_header(r#"{"alg":"rs256"}"#, false);
    check_header(r#"{"alg":["RS256"]}"#, false);
    check_header(r#"{"alg":null}"#, false);
    check_header(r#"{"alg":"RS256","alg":"none"}"#, false);
    check_header(r#"{"alg":"RS256","crit":[]}"#, false);
    check_header(r#"{"alg":"RS256","crit":null}"#, false);
    check_header(r#"{"alg":"RS256","crit":["exp"],"exp":1}"#, false);
    check_header(r#"{"alg":"RS256","b64":false}"#, false);
    check_header(r#"{"alg":"RS256"}x"#, false);
    check_header(r#"["RS256"]"#, false);
    check_header("{}", false);
    check_header("", false);
}

#[test]
fn another_algorithm_does_not_pass_for_rs256() {
    check(&signed(r#"{"alg":"RS256"}"#, RsaScheme::Pss), None);
    check(&signed(r#"{"alg":"PS256"}"#, RsaScheme::Pss), None);
    for alg in ["HS256", "RS256", "none"] {
        let mut jws = signed(&format!(r#"{{"alg":"{alg}"}}"#), RsaScheme::Pkcs1);
        let key = HmacKey::parse(include_str!("../vectors/merchant-stock.public.pem")).unwrap();
        let hex = key.checksum(&[jws.protected.as_bytes(), b".", jws.payload.as_bytes()]);
        jws.signature = URL_SAFE_NO_PAD.encode(from_hex(&hex));
        check(&jws, None);
        jws.signature = String::new();
        check(&jws, None);
    }
}

#[test]
fn only_canonical_base64url_is_accepted() {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256" }"#);
    assert_eq!(header.len() % 4, 2);
    let payload = URL_SAFE_NO_PAD.encode(b"\xfb\xff");
    let pkcs1 = RsaScheme::Pkcs1;
    check(&resigned(header.clone(), payload.clone(), pkcs1), Some(b"\xfb\xff"));
    for altered in ["-_8=", "+/8", "-_9", "-_ 8", "-_8\n", "-_8."] {
        check(&resigned(header.clone(), altered.to_owned(), pkcs1), None);
    }
    check(&resigned(format!("{header}=="), payload.clone(), pkcs1), None);
    let mut loose = header.clone();
    assert_eq!(loose.pop(), Some('Q'));
    check(&resigned(format!("{loose}R"), payload.clone(), pkcs1), None);
    let jws = resigned(header, payload, pkcs1);
    check(&JwsParts { signature: format!("{}==", jws.signature), ..jws.clone() }, None);
    check(&JwsParts { signature: jws.signature[..340].to_owned(), ..jws }, None);
}

#[test]
fn an_endless_jws_is_neither_made_nor_read() {
    let room = |len: usize| merchant().sign_jws(None, &vec![b'x'; len]);
    check(&room(48_000).unwrap(), Some(&[b'x'; 48_000]));
    assert!(room(JWS_LEN_MAX).is_err());
    let long = "eHh4".repeat(JWS_LEN_MAX / 4);
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#);
    check(&resigned(header, long, RsaScheme::Pkcs1), None);
}

#[test]
fn a_jws_has_three_members_of_text() {
    let read = |json: &str| serde_json::from_str::<JwsParts>(json);
    assert!(read(r#"{"protected":"a","payload":"b","signature":"c"}"#).is_ok());
    assert!(read(r#"{"protected":"a","payload":"b"}"#).is_err());
    assert!(read(r#"{"protected":"a","payload":"b","signature":"c","header":{}}"#).is_err());
    assert!(read(r#"{"protected":"a","payload":"b","signature":1}"#).is_err());
    let jws = merchant().sign_jws(None, PAYLOAD).unwrap();
    assert!(read(&serde_json::to_string(&jws).unwrap()).unwrap() == jws);
}

/// A part of the JWS with one bit of one character flipped.
fn flipped(part: &str, index: usize, bit: u8) -> Option<String> {
    let mut bytes = part.as_bytes().to_vec();
    let index = index % bytes.len();
    bytes[index] ^= 1 << bit;
    String::from_utf8(bytes).ok()
}

proptest! {
    #[test]
    fn no_text_makes_verifying_panic(parts in any::<[String; 3]>()) {
        let [protected, payload, signature] = parts;
        let jws = JwsParts { protected, payload, signature };
        prop_assert!(jws.verified(&merchant().public()).is_none());
    }

    #[test]
    fn no_flipped_bit_verifies(part in 0..3, index in any::<usize>(), bit in 0..7_u8) {
        let mut jws = merchant().sign_jws(Some("k"), PAYLOAD).unwrap();
        let part = match part {
            0 => &mut jws.protected,
            1 => &mut jws.payload,
            _ => &mut jws.signature,
        };
        let altered = flipped(part, index, bit);
        prop_assume!(altered.is_some());
        *part = altered.unwrap();
        prop_assert!(jws.verified(&merchant().public()).is_none());
    }

    #[test]
    fn any_payload_is_read_back(payload in any::<Vec<u8>>()) {
        let jws = merchant().sign_jws(None, &payload).unwrap();
        prop_assert_eq!(jws.verified(&merchant().public()), Some(payload));
    }
}
