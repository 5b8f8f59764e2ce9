//! `Module.symvers`: what a kernel or a module offers to others, with checksums of its types
//! (`Documentation/kbuild/modules.rst`).

use std::collections::BTreeMap;

/// Checksums by symbol. Lines that are none are left out.
pub(super) fn parse(text: &str) -> BTreeMap<String, u32> {
    let line = |line: &str| {
        let mut words = line.split('\t');
        let sum = u32::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
        Some((words.next()?.to_owned(), sum))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_line_is_a_checksum_and_a_symbol() {
        let text = "0x92997ed8\t_printk\tvmlinux\tEXPORT_SYMBOL\t\nnonsense\n0x00000000\tspl_kmem\tspl\tEXPORT_SYMBOL\t\n";
        let read: Vec<_> = super::parse(text).into_iter().collect();
        assert_eq!(read, [("_printk".to_owned(), 0x9299_7ed8), ("spl_kmem".to_owned(), 0)]);
    }
}
