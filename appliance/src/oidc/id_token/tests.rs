use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::json;

use super::*;

const NOW_S: i64 = 1_800_000_000;

/// A provider with one Ed25519 key.
struct Issuer(Ed25519KeyPair);

impl Issuer {
    fn new() -> Issuer {
        let key = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
        Issuer(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
    }

    fn jwk(&self) -> Value {
        let x = BASE64URL_NOPAD.encode(self.0.public_key().as_ref());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x})
    }

    fn keys(&self) -> Keys {
        keys(&[self.jwk()])
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let part = |json: &Value| BASE64URL_NOPAD.encode(json.to_string().as_bytes());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = BASE64URL_NOPAD.encode(self.0.sign(signed.as_bytes()).as_ref());
        format!("{signed}.{signature}")
    }
}

fn keys(list: &[Value]) -> Keys {
    Keys::parse(json!({"keys": list}).to_string().as_bytes()).unwrap()
}

fn header() -> Value {
    json!({"alg": "EdDSA", "kid": "one"})
}

fn claims() -> Value {
    json!({
        "iss": "https://id.example", "sub": "0001", "aud": "genset", "nonce": "n-1",
        "exp": NOW_S + 300, "iat": NOW_S,
    })
}

fn checked(token: &str, keys: &Keys) -> Result<Claims, Untrusted> {
    let expected = Expected { issuer: "https://id.example", client_id: "genset", nonce: "n-1", now_s: NOW_S };
    Unproven::parse(token)?.checked(keys, &expected)
}

fn with(changes: Value) -> Value {
    let (mut all, Value::Object(changes)) = (claims(), changes) else { panic!("changes are an object") };
    for (name, value) in changes {
        match value {
            Value::Null => drop(all.as_object_mut().unwrap().remove(&name)),
            value => all[name] = value,
        }
    }
    all
}

/// RFC 7515, A.2 and A.3; RFC 8037, A.4.
#[test]
fn the_signatures_of_the_public_specifications_are_proven_and_changed_ones_are_not() {
    let payload =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let rsa = json!({"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"});
    let rs256 = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let p256 = json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let es256 = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let ed25519 = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let eddsa = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let table = [
        (&rsa, format!("eyJhbGciOiJSUzI1NiJ9.{payload}.{rs256}")),
        (&p256, format!("eyJhbGciOiJFUzI1NiJ9.{payload}.{es256}")),
        (&ed25519, format!("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.{eddsa}")),
    ];
    let all = keys(&[rsa.clone(), p256.clone(), ed25519.clone()]);
    for (key, token) in &table {
        let unproven = Unproven::parse(token).unwrap();
        assert_eq!(unproven.prove(&all), Ok(()), "{token}");
        assert_eq!(unproven.prove(&keys(&[(*key).clone()])), Ok(()), "{token}");
        let forged = Unproven { signed: "eyJhbGciOiJSUzI1NiJ9.e30", ..unproven };
        assert_eq!(forged.prove(&all), Err(Untrusted::Signature), "{token}");
        let others: Vec<Value> =
            table.iter().filter(|(other, _)| other != key).map(|(k, _)| (*k).clone()).collect();
        assert_eq!(forged.prove(&keys(&others)), Err(Untrusted::UnknownKey), "{token}");
    }
}

#[test]
fn a_token_that_is_right_in_every_respect_gives_its_claims() {
    let issuer = Issuer::new();
    let good = [
        claims(),
        with(json!({"aud": ["genset"]})),
        with(json!({"aud": ["genset", "other"], "azp": "genset"})),
        with(json!({"azp": "genset"})),
        with(json!({"exp": NOW_S - 59, "iat": NOW_S + 59, "nbf": NOW_S + 59})),
        with(json!({"exp": NOW_S as f64 + 0.5})),
    ];
    for claims in good {
        let token = issuer.token(&header(), &claims);
        assert_eq!(checked(&token, &issuer.keys()).map(Value::Object), Ok(claims.clone()), "{claims}");
    }
}

#[test]
fn a_token_that_is_wrong_in_one_respect_is_refused_for_it() {
    let issuer = Issuer::new();
    let table = [
        (json!({"iss": "https://id.example/"}), Untrusted::Issuer),
        (json!({"iss": null}), Untrusted::Issuer),
        (json!({"sub": ""}), Untrusted::Malformed),
        (json!({"sub": 1}), Untrusted::Malformed),
        (json!({"aud": "other"}), Untrusted::Audience),
        (json!({"aud": []}), Untrusted::Audience),
        (json!({"aud": null}), Untrusted::Audience),
        (json!({"aud": ["genset", "other"]}), Untrusted::Audience),
        (json!({"azp": "other"}), Untrusted::Audience),
        (json!({"azp": 1}), Untrusted::Audience),
        (json!({"exp": NOW_S - 60}), Untrusted::Expired),
        (json!({"exp": null}), Untrusted::Malformed),
        (json!({"exp": "9999999999"}), Untrusted::Malformed),
        (json!({"iat": null}), Untrusted::Malformed),
        (json!({"iat": NOW_S + 61}), Untrusted::FromTheFuture),
        (json!({"nbf": NOW_S + 61}), Untrusted::FromTheFuture),
        (json!({"nbf": "0"}), Untrusted::Malformed),
        (json!({"nonce": "n-2"}), Untrusted::Nonce),
        (json!({"nonce": null}), Untrusted::Nonce),
    ];
    for (changes, why) in table {
        let token = issuer.token(&header(), &with(changes.clone()));
        assert_eq!(checked(&token, &issuer.keys()), Err(why), "{changes}");
    }
}

#[test]
fn a_header_that_asks_for_less_or_for_something_else_is_refused() {
    let issuer = Issuer::new();
    let table = [
        (json!({"alg": "none"}), Untrusted::Algorithm),
        (json!({"alg": "NONE", "kid": "one"}), Untrusted::Algorithm),
        (json!({"alg": "HS256", "kid": "one"}), Untrusted::Algorithm),
        (json!({"alg": "RS256", "kid": "one"}), Untrusted::UnknownKey),
        (json!({"alg": "EdDSA", "kid": "two"}), Untrusted::UnknownKey),
        (json!({"alg": "EdDSA", "kid": "one", "crit": ["b64"], "b64": false}), Untrusted::Malformed),
        (json!({"kid": "one"}), Untrusted::Malformed),
    ];
    for (header, why) in table {
        let token = issuer.token(&header, &claims());
        assert_eq!(checked(&token, &issuer.keys()), Err(why), "{header}");
    }
    // A public key is no secret: whoever signs with it as one is not the provider.
    let stranger = Issuer::new();
    assert_eq!(checked(&stranger.token(&header(), &claims()), &issuer.keys()), Err(Untrusted::Signature));
    let whole = issuer.token(&header(), &claims());
    let bare = &whole[..=whole.rfind('.').unwrap()];
    assert_eq!(checked(bare, &issuer.keys()), Err(Untrusted::Signature), "no signature at all");
    for odd in ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", &format!("{whole}="), &"x".repeat(70_000)] {
        assert_eq!(checked(odd, &issuer.keys()), Err(Untrusted::Malformed), "{:.20}", odd);
    }
}

#[test]
fn a_key_that_is_for_something_else_proves_nothing() {
    let issuer = Issuer::new();
    let token = issuer.token(&header(), &claims());
    for (name, value) in [("use", "enc"), ("alg", "RS256"), ("crv", "X25519"), ("x", "not base64url!")] {
        let mut jwk = issuer.jwk();
        jwk[name] = value.into();
        assert_eq!(checked(&token, &keys(&[jwk])), Err(Untrusted::UnknownKey), "{name}");
    }
    assert!(Keys::parse(b"{\"keys\": 1}").is_none() && Keys::parse(b"[]").is_none());
}
