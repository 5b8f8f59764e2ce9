# Works from the first login on: what is not installed is left out.
HISTFILE=~/.zsh_history
HISTSIZE=10000
SAVEHIST=10000
setopt append_history hist_ignore_dups share_history

export ZSH=~/.oh-my-zsh
if [[ -r $ZSH/oh-my-zsh.sh ]]; then
  ZSH_THEME=robbyrussell
  plugins=(git zsh-autosuggestions zsh-syntax-highlighting)
  source $ZSH/oh-my-zsh.sh
else
  autoload -Uz compinit && compinit
  PROMPT='%n@%m:%~%# '
fi

if (( $+commands[lsd] )); then
  alias ls='lsd'
  alias l='ls -l'
  alias la='ls -a'
  alias lla='ls -la'
  alias lt='ls --tree'
fi

for file in key-bindings completion; do
  [[ -r /usr/share/doc/fzf/examples/$file.zsh ]] && source /usr/share/doc/fzf/examples/$file.zsh
done
unset file
