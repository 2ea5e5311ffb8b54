complete -c qvm-open-in-vm -l max-answer-bytes -d 'Longest answer that is taken, in bytes [default: 4 times the file and 1 GiB]' -r
complete -c qvm-open-in-vm -l view-only -d 'Only look at the file: whatever comes back is dropped'
complete -c qvm-open-in-vm -l gui -d 'Show in a window, too, what is wrong or where the edit is'
complete -c qvm-open-in-vm -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qvm-open-in-vm -s V -l version -d 'Print version'
