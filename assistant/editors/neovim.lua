-- sned: completions from your own machine. Needs Neovim 0.11 or newer.
vim.lsp.config('sned', {
  cmd = { 'sned', 'lsp' },
  filetypes = { 'python', 'java', 'c', 'cpp', 'javascript', 'javascriptreact', 'typescript', 'typescriptreact' },
  root_markers = { '.git', 'pyproject.toml', 'package.json', 'pom.xml', 'build.gradle', 'CMakeLists.txt' },
  settings = { sned = { automatic = true } },
  handlers = {
    -- For a status line: %{get(g:, 'sned_status', '')}
    ['sned/status'] = function(_, status)
      vim.g.sned_status = status.message
      vim.cmd.redrawstatus()
    end,
  },
})
vim.lsp.enable('sned')

local function execute(command, arguments)
  local client = vim.lsp.get_clients({ name = 'sned' })[1]
  if client then
    client:exec_cmd({ title = command, command = command, arguments = arguments })
  end
end
vim.api.nvim_create_user_command('SnedFetch', function()
  execute('sned.fetch', {})
end, { desc = 'Fetch the base model' })
vim.api.nvim_create_user_command('SnedBuild', function()
  execute('sned.build', { vim.uri_from_bufnr(0) })
end, { desc = "Build the sub-model of this file's project and language" })

if vim.lsp.inline_completion then -- Neovim 0.12: ghost text, accepted with <Tab>
  vim.lsp.inline_completion.enable()
  vim.keymap.set('i', '<Tab>', function()
    if not vim.lsp.inline_completion.get() then
      return '<Tab>'
    end
  end, { expr = true, desc = 'Accept the suggestion' })
else -- Neovim 0.11: an entry of the completion menu, asked for with <C-Space> as well
  vim.opt.completeopt:append({ 'menuone', 'noinsert' })
  vim.api.nvim_create_autocmd('LspAttach', {
    callback = function(args)
      local client = vim.lsp.get_client_by_id(args.data.client_id)
      if client and client.name == 'sned' then
        vim.lsp.completion.enable(true, client.id, args.buf, { autotrigger = true })
        for _, key in ipairs({ '<C-Space>', '<C-@>' }) do -- many terminals send the second for the first
          vim.keymap.set('i', key, vim.lsp.completion.get, { buffer = args.buf, desc = 'Ask for a suggestion' })
        end
      end
    end,
  })
end
