//! RSA keys that follow from a seed by arithmetic alone, so that any implementation finds the same ones.
//!
//! A 3072-bit key from two starting points of 192 bytes each, read as big-endian numbers: the two highest bits
//! and the lowest bit are set, and each prime is the smallest prime from there on with `gcd(p - 1, e) = 1`. The
//! larger is `p`, the smaller `q`; `e` is 65537 and `d` its inverse modulo `lcm(p - 1, q - 1)`, as FIPS 186-5
//! has it.

use num_bigint::BigUint;

/// Bytes of a starting point, and of a prime.
pub const PRIME_BYTES: usize = 192;
const PUBLIC_EXPONENT: u32 = 65_537;
/// Rounds of Miller-Rabin, to the first so many prime bases. Candidates are not an adversary's choice; for random
/// numbers of this length four rounds leave less than 2^-128 (FIPS 186-5, table B.1).
const ROUNDS: usize = 12;
/// Primes below this are sieved out.
const SIEVE_LIMIT: u32 = 1 << 17;
/// Odd numbers that one sieve covers: primes of this length are about 1065 apart.
const SIEVE_SPAN: u32 = 1 << 13;

/// The numbers of an RSA key (RFC 8017 section 3.2).
pub struct RsaNumbers {
    /// Modulus.
    pub n: BigUint,
    /// Public exponent.
    pub e: BigUint,
    /// Private exponent.
    pub d: BigUint,
    /// First prime factor, the larger one.
    pub p: BigUint,
    /// Second prime factor.
    pub q: BigUint,
    /// Inverse of `q` modulo `p`.
    pub iqmp: BigUint,
}

/// How far a prime is from where the search for it starts, in steps of two.
pub type Distance = u32;

/// How far the primes behind two starting points are; `None` if one is past the length, which happens to one seed in
/// 2^1000. This is the long part of making a key.
pub fn search(start_p: &[u8; PRIME_BYTES], start_q: &[u8; PRIME_BYTES]) -> Option<[Distance; 2]> {
    let small = small_primes(SIEVE_LIMIT);
    let (one, other) = std::thread::scope(|scope| {
        let one = scope.spawn(|| prime_from(start_p, &small));
        let other = prime_from(start_q, &small);
        (one.join().ok().flatten(), other)
    });
    Some([one?, other?])
}

/// The key that follows from two starting points and from what [`search`] says of them; `None` if they lead to one
/// and the same prime.
pub fn key(
    start_p: &[u8; PRIME_BYTES],
    start_q: &[u8; PRIME_BYTES],
    [to_p, to_q]: [Distance; 2],
) -> Option<RsaNumbers> {
    let (one, other) = (candidate(&first(start_p), to_p), candidate(&first(start_q), to_q));
    let (p, q) = if one > other { (one, other) } else { (other, one) };
    let e = BigUint::from(PUBLIC_EXPONENT);
    let (below_p, below_q) = (&p - 1_u32, &q - 1_u32);
    let lambda = &below_p / greatest_common_divisor(&below_p, &below_q) * &below_q;
    let d = e.modinv(&lambda)?;
    let iqmp = q.modinv(&p)?;
    Some(RsaNumbers { n: &p * &q, e, d, p, q, iqmp })
}

fn greatest_common_divisor(a: &BigUint, b: &BigUint) -> BigUint {
    let (mut a, mut b) = (a.clone(), b.clone());
    while b != BigUint::ZERO {
        (a, b) = (b.clone(), a % b);
    }
    a
}

/// The first number that is looked at.
fn first(start: &[u8; PRIME_BYTES]) -> BigUint {
    let mut first = BigUint::from_bytes_be(start);
    let bits = 8 * PRIME_BYTES as u64;
    first.set_bit(bits - 1, true);
    first.set_bit(bits - 2, true);
    first.set_bit(0, true);
    first
}

fn candidate(first: &BigUint, distance: Distance) -> BigUint {
    first + 2 * u64::from(distance)
}

/// How far the smallest fitting prime from a starting point on is.
fn prime_from(start: &[u8; PRIME_BYTES], small: &[u32]) -> Option<Distance> {
    let first = first(start);
    let mut passed: Distance = 0;
    loop {
        for step in survivors(&candidate(&first, passed), small) {
            let distance = passed + step;
            let candidate = candidate(&first, distance);
            if &candidate % PUBLIC_EXPONENT != BigUint::from(1_u32) && is_prime(&candidate, small) {
                return (candidate.bits() == 8 * PRIME_BYTES as u64).then_some(distance);
            }
        }
        passed = passed.checked_add(SIEVE_SPAN)?;
    }
}

/// The `i` for which `first + 2 i` (odd) has no small factor.
fn survivors(first: &BigUint, small: &[u32]) -> Vec<u32> {
    let mut composite = vec![false; SIEVE_SPAN as usize];
    for &prime in small.iter().skip_while(|&&prime| prime == 2) {
        let rest = u64::from((first % prime).iter_u32_digits().next().unwrap_or(0));
        // 2 i = -rest (mod prime), and halving modulo an odd prime is multiplying by (prime + 1) / 2
        let prime = u64::from(prime);
        let step = (prime - rest) % prime * prime.div_ceil(2) % prime;
        let hits = composite.iter_mut().skip(step as usize).step_by(prime as usize);
        hits.for_each(|hit| *hit = true);
    }
    (0..SIEVE_SPAN).zip(composite).filter(|(_, composite)| !composite).map(|(step, _)| step).collect()
}

/// Miller-Rabin with the first prime bases; `candidate` is odd and far larger than they are.
fn is_prime(candidate: &BigUint, small: &[u32]) -> bool {
    let one = BigUint::from(1_u32);
    let minus_one = candidate - &one;
    let twos = minus_one.trailing_zeros().unwrap_or(0);
    let odd = &minus_one >> twos;
    small.iter().take(ROUNDS).all(|&base| {
        let mut power = BigUint::from(base).modpow(&odd, candidate);
        if power == one || power == minus_one {
            return true;
        }
        (1..twos).any(|_| {
            power = &power * &power % candidate;
            power == minus_one
        })
    })
}

/// All primes below `limit`, by the sieve of Eratosthenes.
fn small_primes(limit: u32) -> Vec<u32> {
    let mut composite = vec![false; limit as usize];
    let mut primes = Vec::new();
    for number in 2..limit {
        if composite.get(number as usize) == Some(&false) {
            primes.push(number);
            let multiples = composite.iter_mut().skip(2 * number as usize).step_by(number as usize);
            multiples.for_each(|multiple| *multiple = true);
        }
    }
    primes
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;

    use super::{PRIME_BYTES, is_prime, key, prime_from, search, small_primes, survivors};

    #[test]
    fn tells_primes_from_composites() {
        let small = small_primes(100);
        let power = |exponent: u32| BigUint::from(2_u32).pow(exponent);
        for (number, prime) in [
            (power(521) - 1_u32, true),  // Mersenne
            (power(1279) - 1_u32, true), // Mersenne
            (power(523) - 1_u32, false),
            (power(512) + 1_u32, false), // Fermat number: passes to base 2
            (BigUint::from(341_550_071_728_321_u64), false), // strong pseudoprime to bases 2 to 17
        ] {
            assert_eq!(is_prime(&number, &small), prime, "{number}");
        }
    }

    #[test]
    fn sieves_what_has_small_factors_and_nothing_else() {
        let first = BigUint::from(1_000_000_000_001_u64);
        let small = small_primes(50);
        let kept = survivors(&first, &small);
        for step in 0..200_u32 {
            let number = &first + 2 * step;
            let divisible = small.iter().any(|&prime| &number % prime == BigUint::ZERO);
            assert_eq!(kept.contains(&step), !divisible, "{number}");
        }
    }

    #[test]
    fn skips_no_prime() {
        // from zero the search starts at 2^1535 + 2^1534 + 1; the offset was found with another implementation
        let small = small_primes(1 << 17);
        let distance = prime_from(&[0; PRIME_BYTES], &small).expect("there is one");
        assert_eq!(2 * distance, 1836);
    }

    #[test]
    fn makes_keys_that_work() {
        let (start_p, start_q) = ([0x5a; PRIME_BYTES], [0xa5; PRIME_BYTES]);
        let distances = search(&start_p, &start_q).expect("primes");
        let numbers = key(&start_p, &start_q, distances).expect("distinct");
        assert_eq!(numbers.n.bits(), 3072);
        assert!(numbers.p > numbers.q && &numbers.p * &numbers.q == numbers.n);
        let message = BigUint::from(0x0123_4567_89ab_cdef_u64);
        let signed = message.modpow(&numbers.d, &numbers.n);
        assert_eq!(signed.modpow(&numbers.e, &numbers.n), message);
        assert_eq!(&numbers.iqmp * &numbers.q % &numbers.p, BigUint::from(1_u32));
        assert!(key(&start_p, &start_p, [distances[0]; 2]).is_none(), "one prime twice is no key");
    }
}
