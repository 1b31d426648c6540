import { launch } from '../cli/launch.js'

launch(import('../sources/read-ssh.js'))
