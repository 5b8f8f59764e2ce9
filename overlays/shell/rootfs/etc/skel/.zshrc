# Works from the first login on: what is not installed is left out.
HISTFILE=~/.zsh_history
HISTSIZE=10000
SAVEHIST=10000
setopt append_history hist_ignore_dups share_history

export ZSH=/usr/share/oh-my-zsh
if [[ -r $ZSH/oh-my-zsh.sh ]]; then
  # The installation belongs to the node: it is not updated from here, and writes nothing beside itself.
  zstyle ':omz:update' mode disabled
  DISABLE_AUTO_UPDATE=true
  ZSH_CACHE_DIR=${XDG_CACHE_HOME:-$HOME/.cache}/oh-my-zsh
  ZSH_THEME=robbyrussell
  plugins=(git zsh-autosuggestions zsh-syntax-highlighting)
  source $ZSH/oh-my-zsh.sh
else
  unset ZSH
  autoload -Uz compinit && compinit
  PROMPT='%n@%m:%~%# '
  # the latter has to come last
  for plugin in zsh-autosuggestions zsh-syntax-highlighting; do
    [[ -r /usr/share/$plugin/$plugin.zsh ]] && source /usr/share/$plugin/$plugin.zsh
  done
  unset plugin
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
