//! Every route of the server, once for all tests.

/// One method of one path.
pub(crate) struct Route {
    pub(crate) method: &'static str,
    /// The path as the document writes it.
    pub(crate) path: &'static str,
    /// Where a body is sent to, if the route takes one.
    target: Option<&'static str>,
    /// Whether nothing is read of a body before it is known who sent it.
    signed: bool,
}

impl Route {
    const fn plain(method: &'static str, path: &'static str) -> Self {
        Self { method, path, target: None, signed: false }
    }

    const fn body(method: &'static str, path: &'static str) -> Self {
        Self { target: Some(path), ..Self::plain(method, path) }
    }

    const fn body_at(path: &'static str, target: &'static str) -> Self {
        Self { target: Some(target), ..Self::plain("POST", path) }
    }

    const fn signed(path: &'static str, target: &'static str) -> Self {
        Self { signed: true, ..Self::body_at(path, target) }
    }
}

/// The dialects' calls, our own API, the steering of the sandbox.
pub(crate) const ROUTES: &[Route] = &[
    Route::body("POST", "/api/transactions/v1/changempin"),
    Route::body("POST", "/api/axis/upi/set-reset-mpin"),
    Route::body("POST", "/api/axis/upi/otp/request"),
    Route::body("POST", "/mob1/api/onboarding/v1/resetPin"),
    Route::body("POST", "/mob1/api/onboarding/v3/resetPin"),
    Route::body("POST", "/resetPin"),
    Route::body("POST", "/mob1/api/issuance/v1/createCard"),
    Route::body("POST", "/mob1/api/onboarding/v1/verifyCardholder"),
    Route::body("POST", "/mob1/api/onboarding/v1/cardInquiry"),
    Route::body("PATCH", "/mob1/api/onboarding/v1/block"),
    Route::body("PATCH", "/mob1/api/onboarding/v1/unblock"),
    Route::body("POST", "/mob1/api/onboarding/v1/checkStatus"),
    Route::body("POST", "/mob1/api/v2/encrypt"),
    Route::body("POST", "/mob1/api/v2/decrypt"),
    Route::body_at(
        "/kunji/v1/credentials/{kind}/{id}/verify",
        "/kunji/v1/credentials/account/ACC123456789/verify",
    ),
    Route::body_at(
        "/kunji/v1/credentials/{kind}/{id}/clear-tries",
        "/kunji/v1/credentials/card/70000000008/clear-tries",
    ),
    Route::body("POST", "/kunji/v1/sandbox/clock"),
    Route::signed("/hyper/v1/process", "/hyper/v1/process"),
    Route::signed(
        "/hyper/v1/captures/{id}",
        "/hyper/v1/captures/ftk62697XJqE5m9TIVqXSAyp-cfcebjp0RezMrJUAcE",
    ),
    Route::signed(
        "/api/{apiVersion}/merchants/upiNumber/update",
        "/api/n2/merchants/upiNumber/update",
    ),
    Route::signed(
        "/api/{apiVersion}/merchants/upiNumber/availability",
        "/api/n2/merchants/upiNumber/availability",
    ),
    Route::signed(
        "/api/{apiVersion}/merchants/upiNumber/create",
        "/api/n2/merchants/upiNumber/create",
    ),
    Route::signed(
        "/api/{apiVersion}/merchants/upiNumber/fetch",
        "/api/n2/merchants/upiNumber/fetch",
    ),
    Route::signed("/api/{apiVersion}/merchants/vpas/validity", "/api/n2/merchants/vpas/validity"),
    Route::plain("DELETE", "/hyper/v1/captures/{id}"),
    Route::plain("GET", "/hyper/v1/captures/{id}/result"),
    Route::plain("GET", "/hyper/v1/captures/{id}/page"),
    Route::plain("GET", "/hyper/v1/capture.css"),
    Route::plain("GET", "/hyper/v1/capture.js"),
    Route::plain("GET", "/livez"),
    Route::plain("GET", "/readyz"),
    Route::plain("GET", "/.well-known/jwks.json"),
    Route::plain("GET", "/openapi.json"),
    Route::plain("GET", "/docs"),
    Route::plain("GET", "/docs/docs.css"),
    Route::plain("GET", "/docs/docs.js"),
    Route::plain("GET", "/kunji/v1/sandbox/outbox"),
    Route::plain("GET", "/kunji/v1/sandbox/clock"),
    Route::plain("POST", "/kunji/v1/sandbox/reset"),
];

/// Method and target of every route that takes a body; those for signed bodies only on demand.
pub(crate) const fn with_body<const N: usize>(signed: bool) -> [(&'static str, &'static str); N] {
    let mut found = [("", ""); N];
    let (mut at, mut count) = (0, 0);
    while at < ROUTES.len() {
        let Route { method, target, signed: is_signed, .. } = ROUTES[at];
        if let Some(target) = target
            && (signed || !is_signed)
        {
            found[count] = (method, target);
            count += 1;
        }
        at += 1;
    }
    assert!(count == N, "a route has come or gone");
    found
}
