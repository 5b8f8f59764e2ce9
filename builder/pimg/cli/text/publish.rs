//! `pimg publish` in words.

use std::fmt::Write;

use super::{Show, Text, human_bytes, plural, printable, row, table};
use crate::command::outcome::PublishOutcome;

impl Show for PublishOutcome {
    fn text(&self, verbose: bool) -> Text {
        let mut text = Text::default();
        for file in &self.files {
            let _ = writeln!(text.out, "{}", printable(&file.display().to_string()));
        }
        let rows = self.images.iter().map(|image| {
            let mut cells = row([&format!("{}:", image.host), &human_bytes(image.size), &image.url]);
            if verbose {
                cells.push(format!("sha256 {}", image.sha256));
            }
            cells
        });
        text.err = table(&rows.collect::<Vec<_>>());
        let (files, directory) = (plural(self.files.len(), "file"), self.directory.display().to_string());
        let _ = writeln!(text.err, "{files} in `{}` are to be uploaded", printable(&directory));
        if let Some(why) = &self.not_signed {
            let _ = writeln!(
                text.err,
                "it is not signed: nobody who gets it can tell that it is yours ({})",
                printable(why)
            );
        }
        if let Some(key) = &self.key_id {
            let _ =
                writeln!(text.err, "signed by key {key}: `pimg verify {}` checks all", printable(&directory));
        }
        let _ =
            writeln!(text.err, "then `rpi-imager --repo {}` shows the images", printable(&self.os_list_url));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Show;
    use crate::command::outcome::{PublishOutcome, PublishedImage};

    #[test]
    fn the_files_are_the_result_and_the_links_a_remark() {
        let image = PublishedImage {
            host: "node-a".into(),
            image: "out/release/node-a-1.img.zst".into(),
            url: "https://example.org/pi/node-a-1.img.zst".into(),
            sha256: "ab".into(),
            size: 3 << 20,
        };
        let outcome = PublishOutcome {
            directory: "out/release".into(),
            files: vec!["out/release/node-a-1.img.zst".into(), "out/release/os_list.json".into()],
            key_id: Some("00FF".into()),
            not_signed: None,
            os_list_url: "https://example.org/pi/os_list.json".into(),
            images: vec![image],
        };
        let text = outcome.text(false);
        assert_eq!(text.out, "out/release/node-a-1.img.zst\nout/release/os_list.json\n");
        insta::assert_snapshot!(text.err, @r"
        node-a:  3.0 MiB  https://example.org/pi/node-a-1.img.zst
        2 files in `out/release` are to be uploaded
        signed by key 00FF: `pimg verify out/release` checks all
        then `rpi-imager --repo https://example.org/pi/os_list.json` shows the images
        ");
    }
}
