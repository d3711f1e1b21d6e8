from paretext.cli import main

main()
