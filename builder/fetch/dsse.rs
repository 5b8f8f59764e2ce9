//! What is signed of a DSSE envelope (<https://github.com/secure-systems-lab/dsse/blob/master/protocol.md>).

/// The "pre-authentication encoding" of a payload and its type, which is what the signature is over.
pub fn encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_of_the_specification() {
        let encoded = super::encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }
}
