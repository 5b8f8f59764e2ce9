# As byobu-enable writes it; byobu-disable takes it out.
_byobu_sourced=1 . /usr/bin/byobu-launch 2>/dev/null || true
