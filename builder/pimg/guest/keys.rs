//! The keys of every member of a cluster, in OpenSSH's formats.

use std::collections::BTreeMap;

use num_bigint::BigUint;
use ssh_key::private::{Ed25519Keypair, KeypairData, RsaKeypair, RsaPrivateKey};
use ssh_key::public::RsaPublicKey;
use ssh_key::{LineEnding, Mpint, PrivateKey};

use super::error::Error;
use super::prime_notes::{self, Notes};
use super::rsa;
use super::seed::{Purpose, derive};
use crate::profile::host::HostSpec;
use crate::profile::types::Hostname;
use crate::secret::Secret;

/// Where the searches for the primes of a host's keys start.
const HOST_RSA: [Purpose; 2] = [Purpose::HostRsaP, Purpose::HostRsaQ];
const ROOT_RSA: [Purpose; 2] = [Purpose::RootRsaP, Purpose::RootRsaQ];

/// A key pair as two files.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// The private key file (`openssh-key-v1`, without passphrase).
    pub private: Secret,
    /// The public key line without its comment: algorithm, blank, base64.
    pub public: String,
    /// The comment.
    pub comment: String,
}

/// The keys of one host.
#[derive(Clone, Debug)]
pub struct HostKeys {
    /// Host key.
    pub ed25519: KeyPair,
    /// Host key; Proxmox VE asks for one of this kind.
    pub rsa: KeyPair,
    /// Root's own key, with which a node joins its cluster.
    pub root: KeyPair,
}

/// The keys of a host and of every other member of its cluster. The same for every host of a cluster, and the
/// one thing here that costs noticeable time: make it once a build.
#[derive(Clone, Debug, Default)]
pub struct Keyring(BTreeMap<Hostname, HostKeys>);

impl KeyPair {
    /// The public key file.
    pub fn public_file(&self) -> String {
        format!("{} {}\n", self.public, self.comment)
    }
}

impl Keyring {
    /// Keys of `hosts` and of all that share a cluster with one of them. `notes` spares the search for primes that were
    /// found before.
    ///
    /// # Errors
    /// A key could not be made.
    pub fn derive<'a>(
        seed: &Secret,
        hosts: impl IntoIterator<Item = &'a HostSpec>,
        notes: &dyn Notes,
    ) -> Result<Self, Error> {
        let mut keys = BTreeMap::new();
        for host in hosts {
            let members = host.cluster.iter().flat_map(|cluster| &cluster.nodes).map(|node| &node.hostname);
            for name in members.chain([&host.hostname]) {
                if !keys.contains_key(name) {
                    keys.insert(name.clone(), HostKeys::derive(seed, name, notes)?);
                }
            }
        }
        Ok(Self(keys))
    }

    /// All of them, by host name.
    pub fn iter(&self) -> impl Iterator<Item = (&Hostname, &HostKeys)> {
        self.0.iter()
    }

    /// The keys of a host; `None` if the keyring was made without it.
    pub fn get(&self, host: &Hostname) -> Option<&HostKeys> {
        self.0.get(host)
    }
}

impl HostKeys {
    /// The keys of one host.
    ///
    /// # Errors
    /// A key could not be made.
    pub fn derive(seed: &Secret, host: &Hostname, notes: &dyn Notes) -> Result<Self, Error> {
        let comment = format!("root@{host}");
        let pair =
            |what, data| key_pair(data, &comment).map_err(|error| key_error(what, host, error.to_string()));
        let ed25519 = Ed25519Keypair::from_seed(&derive(seed, Purpose::HostEd25519, host));
        let [host_p, host_q, root_p, root_q] = distances(seed, host, notes)?;
        let host_rsa = rsa_key(seed, HOST_RSA, host, [host_p, host_q])?;
        let root_rsa = rsa_key(seed, ROOT_RSA, host, [root_p, root_q])?;
        Ok(Self {
            ed25519: pair("Ed25519 host key", ed25519.into())?,
            rsa: pair("RSA host key", host_rsa.into())?,
            root: pair("root key", root_rsa.into())?,
        })
    }
}

/// The public half of a host's Ed25519 host key, without the RSA keys, which take long to make: algorithm, blank, base64.
///
/// # Errors
/// The key could not be made.
pub fn host_public_key(seed: &Secret, host: &Hostname) -> Result<String, Error> {
    let pair = Ed25519Keypair::from_seed(&derive(seed, Purpose::HostEd25519, host));
    key_pair(pair.into(), "")
        .map(|pair| pair.public)
        .map_err(|error| key_error("Ed25519 host key", host, error.to_string()))
}

fn key_error(what: &'static str, host: &Hostname, why: String) -> Error {
    Error::Key { what, host: host.to_string(), why }
}

/// How far the primes of a host are from where the seed says to start.
fn distances(seed: &Secret, host: &Hostname, notes: &dyn Notes) -> Result<[rsa::Distance; 4], Error> {
    if let Some(known) = prime_notes::recall(notes, seed, host) {
        return Ok(known);
    }
    let search = |[p, q]: [Purpose; 2]| {
        rsa::search(&derive(seed, p, host), &derive(seed, q, host)).ok_or_else(|| no_key(host))
    };
    let ([host_p, host_q], [root_p, root_q]) = (search(HOST_RSA)?, search(ROOT_RSA)?);
    let found = [host_p, host_q, root_p, root_q];
    prime_notes::keep(notes, seed, host, found);
    Ok(found)
}

fn no_key(host: &Hostname) -> Error {
    key_error("RSA key", host, "the seed leads to no key".to_owned())
}

fn rsa_key(
    seed: &Secret,
    [p, q]: [Purpose; 2],
    host: &Hostname,
    distances: [rsa::Distance; 2],
) -> Result<RsaKeypair, Error> {
    let numbers = rsa::key(&derive(seed, p, host), &derive(seed, q, host), distances);
    let numbers = numbers.ok_or_else(|| no_key(host))?;
    let mpint = |number: &BigUint| {
        Mpint::from_positive_bytes(&number.to_bytes_be())
            .map_err(|error| key_error("RSA key", host, error.to_string()))
    };
    Ok(RsaKeypair {
        public: RsaPublicKey { e: mpint(&numbers.e)?, n: mpint(&numbers.n)? },
        private: RsaPrivateKey {
            d: mpint(&numbers.d)?,
            iqmp: mpint(&numbers.iqmp)?,
            p: mpint(&numbers.p)?,
            q: mpint(&numbers.q)?,
        },
    })
}

/// The check number in an unencrypted private key file follows from the key, so the file does too.
fn key_pair(data: KeypairData, comment: &str) -> Result<KeyPair, ssh_key::Error> {
    let private = PrivateKey::new(data, comment)?;
    let file = private.to_openssh(LineEnding::LF)?;
    let mut public = private.public_key().clone();
    public.set_comment("");
    Ok(KeyPair {
        private: Secret::new(file.as_bytes().to_vec()),
        public: public.to_openssh()?.trim_end().to_owned(),
        comment: comment.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::HostKeys;
    use crate::guest::prime_notes::NoNotes;
    use crate::guest::test_support::{judge, temporary};
    use crate::profile::types::Hostname;
    use crate::secret::Secret;

    #[test]
    fn keys_are_what_openssh_takes_them_for() {
        let host = Hostname::new("k8sctl-pi5l").expect("valid");
        let seed = Secret::new(vec![7; 32]);
        let keys = HostKeys::derive(&seed, &host, &NoNotes).expect("keys");
        let again = HostKeys::derive(&seed, &host, &NoNotes).expect("keys");
        assert_eq!(keys.rsa.private.expose(), again.rsa.private.expose());
        assert_eq!(keys.ed25519.private.expose(), again.ed25519.private.expose());
        assert_ne!(keys.rsa.public, keys.root.public);
        let directory = temporary();
        for (pair, kind) in [(&keys.ed25519, "256 "), (&keys.rsa, "3072 "), (&keys.root, "3072 ")] {
            let path = directory.path().join("key");
            fs_err::write(&path, pair.private.expose()).expect("write");
            let Some(public) =
                judge(&["chmod", "600"], &path).and_then(|_| judge(&["ssh-keygen", "-y", "-f"], &path))
            else {
                return;
            };
            assert_eq!(public, pair.public_file());
            let listed = judge(&["ssh-keygen", "-l", "-f"], &path).expect("ssh-keygen is there");
            assert!(listed.starts_with(kind), "{listed}");
        }
    }
}
