//! Signatures checked: by the rules that apt's `sqv` has on the device, at a time that the caller gives.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sequoia_openpgp::cert::amalgamation::ValidAmalgamation as _;
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::parse::stream::{
    DetachedVerifierBuilder, GoodChecksum, MessageLayer, MessageStructure, VerificationError,
    VerificationHelper,
};
use sequoia_openpgp::policy::{AsymmetricAlgorithm, StandardPolicy};
use sequoia_openpgp::types::{HashAlgorithm, RevocationStatus};
use sequoia_openpgp::{Cert, Error as Openpgp, KeyHandle};

use super::cleartext;
use super::{Fingerprint, Keyring, SignatureProblem};
use crate::instant::Instant;

/// Seconds that the clock of a signer may be ahead of ours.
pub(crate) const CLOCK_SKEW: u64 = 600;

type Verdict<T> = Result<T, SignatureProblem>;

impl Keyring {
    /// Checks a cleartext-signed message (`InRelease`) and returns the signed text, to the byte, and the
    /// certificate that signed it. Nothing else of `bytes` is vouched for.
    ///
    /// `pins` are fingerprints of certificates, or of signing keys in them; empty means any of this keyring. `at`
    /// is the time of the check in seconds since 1970. One good signature is enough, as it is for apt.
    ///
    /// # Errors
    /// Of all that is wrong, what came nearest to a good signature.
    pub fn verify_clearsigned(
        &self,
        bytes: &[u8],
        pins: &[Fingerprint],
        at: u64,
    ) -> Verdict<(Vec<u8>, Fingerprint)> {
        let message = cleartext::split(bytes).map_err(SignatureProblem::NotOneMessage)?;
        let signer = self.verify_detached(&message.text, message.signature, pins, at)?;
        Ok((message.text, signer))
    }

    /// Checks a detached signature (`Release.gpg`), armored or binary, over a text, and returns the certificate
    /// that made it. `pins` and `at` as in [`Self::verify_clearsigned`].
    ///
    /// # Errors
    /// As [`Self::verify_clearsigned`].
    pub fn verify_detached(
        &self,
        text: &[u8],
        signature: &[u8],
        pins: &[Fingerprint],
        at: u64,
    ) -> Verdict<Fingerprint> {
        if !cleartext::is_plain(text) {
            return Err(SignatureProblem::NotText);
        }
        match self.verify_at(text, signature, pins, at) {
            // as far ahead as clocks differ: checked as of the time when it was made
            Err(SignatureProblem::NotYetLive { from, .. }) if is_skew(from, at) => {
                self.verify_at(text, signature, pins, u64::try_from(from.0).unwrap_or(at))
            }
            other => other,
        }
    }

    fn verify_at(
        &self,
        text: &[u8],
        signature: &[u8],
        pins: &[Fingerprint],
        at: u64,
    ) -> Verdict<Fingerprint> {
        let malformed = |error: &dyn std::fmt::Display| SignatureProblem::Malformed(error.to_string());
        let policy = policy(at);
        let helper = Helper { keyring: self, pins, policy: &policy, at, outcome: None };
        let verifier = DetachedVerifierBuilder::from_bytes(signature)
            .and_then(|builder| builder.with_policy(&policy, system_time(at), helper));
        let mut verifier = verifier.map_err(|error| malformed(&error))?;
        let result = verifier.verify_bytes(text);
        match (result, verifier.into_helper().outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Err(error), _) => Err(malformed(&error)),
            (Ok(()), None) => Err(malformed(&"there is no signature in it")),
        }
    }
}

/// sequoia's policy of the day with the earlier cut-off dates of apt's `default-sequoia.config`.
///
/// SHA-1 is refused by sequoia itself since 2023-02-01; revocations made with it stay in force, which is why
/// algorithms get a date here and are not rejected outright.
fn policy(at: u64) -> StandardPolicy<'static> {
    const FROM_2024_02_01: u64 = 1_706_745_600;
    const FROM_2026_02_01: u64 = 1_769_904_000;
    let mut policy = StandardPolicy::at(system_time(at));
    policy.reject_hash_at(HashAlgorithm::SHA224, system_time(FROM_2026_02_01));
    for algorithm in
        [AsymmetricAlgorithm::DSA2048, AsymmetricAlgorithm::DSA3072, AsymmetricAlgorithm::DSA4096]
    {
        policy.reject_asymmetric_algo_at(algorithm, system_time(FROM_2024_02_01));
    }
    policy
}

/// The certificates to look among, and what came of it.
struct Helper<'a> {
    keyring: &'a Keyring,
    pins: &'a [Fingerprint],
    policy: &'a StandardPolicy<'static>,
    at: u64,
    outcome: Option<Verdict<Fingerprint>>,
}

impl VerificationHelper for Helper<'_> {
    fn get_certs(&mut self, _ids: &[KeyHandle]) -> sequoia_openpgp::Result<Vec<Cert>> {
        let certificates = self.keyring.certificates.iter().map(|certificate| &certificate.inner);
        Ok(certificates.filter(|certificate| self.may_sign(certificate)).cloned().collect())
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> sequoia_openpgp::Result<()> {
        let mut problems = Vec::new();
        for layer in structure {
            let MessageLayer::SignatureGroup { results } = layer else {
                continue;
            };
            for result in results {
                let verdict = match result {
                    Ok(good) => self.still_good(&good),
                    Err(error) => Err(self.problem(&error)),
                };
                match verdict {
                    Ok(signer) => {
                        self.outcome = Some(Ok(signer));
                        return Ok(());
                    }
                    Err(problem) => problems.push(problem),
                }
            }
        }
        // of several signatures by foreign keys, all of them are the answer
        let nearest = problems.iter().map(SignatureProblem::nearness).max();
        let mut nearest = problems.into_iter().filter(|problem| Some(problem.nearness()) == nearest);
        let Some(mut problem) = nearest.next() else {
            return Ok(());
        };
        if let SignatureProblem::WrongKey { got, .. } = &mut problem {
            for other in nearest {
                if let SignatureProblem::WrongKey { got: further, .. } = other {
                    got.extend(further);
                }
            }
            got.sort();
            got.dedup();
        }
        self.outcome = Some(Err(problem));
        Ok(())
    }
}

impl Helper<'_> {
    /// Whether a certificate is pinned, or one of its keys is, as in apt's `Signed-By`.
    fn may_sign(&self, certificate: &Cert) -> bool {
        let is_pinned = |fingerprint: String| self.pins.iter().any(|pin| pin.0 == fingerprint);
        self.pins.is_empty() || certificate.keys().any(|key| is_pinned(key.key().fingerprint().to_hex()))
    }

    /// sequoia asks whether the key was good when it signed. Whoever found an old key can sign with an old date,
    /// so it has to be good now as well.
    fn still_good(&self, good: &GoodChecksum<'_>) -> Verdict<Fingerprint> {
        let certificate = good.ka.cert();
        let name = fingerprint_of(certificate);
        let signing = good.ka.key().fingerprint();
        let pinned = |pin: &Fingerprint| *pin == name || pin.0 == signing.to_hex();
        if !self.pins.is_empty() && !self.pins.iter().any(pinned) {
            return Err(self.wrong_key(vec![name.0]));
        }
        let unusable = |error: sequoia_openpgp::anyhow::Error| self.key_problem(name.clone(), &error);
        let valid = certificate.with_policy(self.policy, system_time(self.at)).map_err(unusable)?;
        let revoked = |status: RevocationStatus<'_>| matches!(status, RevocationStatus::Revoked(_));
        if revoked(valid.revocation_status()) {
            return Err(SignatureProblem::KeyRevoked { key: name });
        }
        valid.alive().map_err(unusable)?;
        let key = valid.keys().find(|key| key.key().fingerprint() == signing);
        let Some(key) = key else {
            let reason = "the signing key in it is no longer bound to it".to_owned();
            return Err(SignatureProblem::KeyUnusable { key: name, reason });
        };
        if revoked(key.revocation_status()) {
            return Err(SignatureProblem::KeyRevoked { key: name });
        }
        key.alive().map_err(unusable)?;
        if !key.for_signing() {
            let reason = "it may not sign".to_owned();
            return Err(SignatureProblem::KeyUnusable { key: name, reason });
        }
        Ok(name)
    }

    fn problem(&self, error: &VerificationError<'_>) -> SignatureProblem {
        match error {
            VerificationError::MissingKey { sig } => self.wrong_key(self.issuers(sig)),
            VerificationError::UnboundKey { cert, error, .. } => {
                self.key_problem(fingerprint_of(cert), error)
            }
            VerificationError::BadKey { ka, error, .. } => {
                let key = fingerprint_of(ka.cert());
                let valid = ka.valid_cert();
                let revoked = [valid.revocation_status(), ka.revocation_status()];
                if revoked.iter().any(|status| matches!(status, RevocationStatus::Revoked(_))) {
                    return SignatureProblem::KeyRevoked { key };
                }
                self.key_problem(key, error)
            }
            VerificationError::BadSignature { ka, error, .. } => {
                self.signature_problem(fingerprint_of(ka.cert()), error)
            }
            VerificationError::MalformedSignature { error, .. } => {
                SignatureProblem::Malformed(error.to_string())
            }
            other => SignatureProblem::Malformed(other.to_string()),
        }
    }

    fn key_problem(&self, key: Fingerprint, error: &sequoia_openpgp::anyhow::Error) -> SignatureProblem {
        match error.downcast_ref() {
            Some(Openpgp::Expired(since)) => {
                SignatureProblem::KeyExpired { key, since: instant(*since), now: self.now() }
            }
            _ => SignatureProblem::KeyUnusable { key, reason: format!("{error:#}") },
        }
    }

    fn signature_problem(
        &self,
        key: Fingerprint,
        error: &sequoia_openpgp::anyhow::Error,
    ) -> SignatureProblem {
        match error.downcast_ref() {
            Some(Openpgp::Expired(since)) => {
                SignatureProblem::Expired { key, since: instant(*since), now: self.now() }
            }
            Some(Openpgp::NotYetLive(from)) => {
                SignatureProblem::NotYetLive { key, from: instant(*from), now: self.now() }
            }
            Some(Openpgp::PolicyViolation(..)) => {
                SignatureProblem::Weak { key, reason: format!("{error:#}") }
            }
            _ => SignatureProblem::Mismatch { key },
        }
    }

    fn wrong_key(&self, got: Vec<String>) -> SignatureProblem {
        let all = || self.keyring.certificates.iter().map(|one| one.fingerprint().clone()).collect();
        let expected = if self.pins.is_empty() { all() } else { self.pins.to_vec() };
        SignatureProblem::WrongKey { expected, got }
    }

    /// Who claims to have signed: by certificate where the keyring has it, otherwise as the signature says.
    fn issuers(&self, signature: &Signature) -> Vec<String> {
        let issuers = signature.get_issuers();
        let known = self.keyring.certificates.iter().find(|certificate| {
            certificate
                .inner
                .keys()
                .any(|key| issuers.iter().any(|issuer| issuer.aliases(key.key().key_handle())))
        });
        match (known, issuers.first()) {
            (Some(certificate), _) => vec![certificate.fingerprint().to_string()],
            (None, Some(issuer)) => vec![issuer.to_hex()],
            (None, None) => vec!["nobody in particular".to_owned()],
        }
    }

    fn now(&self) -> Instant {
        Instant(i64::try_from(self.at).unwrap_or(i64::MAX))
    }
}

fn fingerprint_of(certificate: &Cert) -> Fingerprint {
    Fingerprint(certificate.fingerprint().to_hex())
}

fn system_time(seconds: u64) -> SystemTime {
    // OpenPGP counts in 32 bits; anything beyond is as good as the end of its time
    UNIX_EPOCH + Duration::from_secs(seconds.min(u64::from(u32::MAX)))
}

fn instant(time: SystemTime) -> Instant {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Instant(i64::try_from(seconds).unwrap_or(i64::MAX))
}

fn is_skew(from: Instant, at: u64) -> bool {
    u64::try_from(from.0).is_ok_and(|from| from > at && from <= at.saturating_add(CLOCK_SKEW))
}
